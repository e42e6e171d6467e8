"""The backends by name. A backend is imported when it is chosen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from codex_imagegen.request import Request, Run
    from codex_imagegen.results import BackendResult, PlannedImage, Warning_

BACKENDS = {"codex": "codex_imagegen.codex.backend", "runcomfy": "codex_imagegen.runcomfy.backend"}


class Backend(Protocol):
    """A module that makes one picture."""

    def make(self, request: Request, run: Run) -> BackendResult:
        """Check the request, make its picture and decode it completely; raises the errors of the tree.

        Invalid requests are refused before anything is spent. An error's ``spent`` says whether quota or money may have
        been used. :class:`~codex_imagegen.errors.Interrupted` is raised soon after ``run.interrupt`` is set.
        """
        ...

    def preview(self, request: Request, run: Run) -> tuple[PlannedImage, tuple[Warning_, ...]]:
        """Check the request as :meth:`make` does; returns what that would send, and warnings. Sends and writes nothing.

        What it opens stays open until ``run.closing`` ends.
        """
        ...


def load(name: str) -> Backend:
    """Import the backend of that name, which must be one of :data:`BACKENDS`."""
    return cast("Backend", import_module(BACKENDS[name]))
