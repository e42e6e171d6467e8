"""Whose rollout it is: named by the thread, proven by its first record, and what of it is this run's.

A run of ours has a rollout of its own, which is new and names the run's working folder. A run that goes on with a
thread (``resume``) has the part of that thread's rollout that was not there before.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_imagegen.codex.sessions import layout

if TYPE_CHECKING:
    from codex_imagegen.codex.run.resume import ThreadState

NO_THREAD_SEC = 2.0
"""How long the event stream is given to name the thread, before the working folder alone decides."""


@dataclass(frozen=True, slots=True)
class OwnedRollout:
    """The rollout of this run: its path, the byte at which this run begins in it, and what its first record says."""

    path: str
    offset: int
    meta: layout.SessionMeta


class Attribution:
    """Made before Codex starts, which is the moment of the snapshot.

    ``folder`` is the private working folder: its name is random, no other run has it, and ``session_meta`` names it.
    ``before`` is what there was of the threads that this run may go on with; None where it is a thread of its own.
    """

    def __init__(self, codex_home: str, folder: str, before: ThreadState | None = None) -> None:
        self._home, self._name = codex_home, os.path.basename(folder)
        self.before = before
        self._begun = time.monotonic()
        self._day_folders = layout.folders(codex_home)
        self._there = layout.snapshot(self._day_folders)
        self._foreign: set[str] = set()

    def find(self, thread_id: str | None, *, ended: bool) -> OwnedRollout | None:
        """The rollout, if it is there; without a thread id only once Codex has ``ended``, or was silent for long."""
        if thread_id:
            older = self.before.rollouts.get(thread_id.lower()) if self.before else None
            if older is not None:
                return self._continued(*older, thread_id)
            path = layout.named(self._folders(thread_id), thread_id)
            return self._proven(path, thread_id) if path else None
        if not ended and time.monotonic() - self._begun < NO_THREAD_SEC:
            return None
        new = (path for path, _size in layout.grown(self._folders(None), self._there) if path not in self._foreign)
        return next((ours for path in new if (ours := self._proven(path, None))), None)

    def find_by_name(self, thread_id: str) -> str | None:
        """The new rollout that bears our thread's name, also where its first record was lost meanwhile."""
        path = layout.named(self._folders(thread_id), thread_id)
        if path is None or self.before is not None or path in self._there:
            return None
        owner = layout.read_meta(path)
        return path if owner is None or owner.thread_id == thread_id else None

    def _folders(self, thread_id: str | None) -> list[str]:
        """The day folders of the start and of now, and of the thread's own birth, which its id tells."""
        born = layout.created_at(thread_id) if thread_id else None
        more = layout.folders(self._home) + (layout.folders(self._home, born) if born else [])
        return list(dict.fromkeys(self._day_folders + more))

    def _continued(self, path: str, size: int, thread_id: str) -> OwnedRollout | None:
        """The rollout of a thread that is gone on with: it was there, and has the folder of its first run."""
        owner = layout.read_meta(path)
        return (
            OwnedRollout(path, size, owner)
            if owner is not None and owner.thread_id.lower() == thread_id.lower()
            else None
        )

    def _proven(self, path: str, thread_id: str | None) -> OwnedRollout | None:
        """A rollout as this run's own: by the folder's random name, however the path to it is spelled."""
        owner = layout.read_meta(path)
        if owner is None:
            return None  # not whole yet: asked again
        worked_here = os.path.basename(owner.cwd or "") == self._name
        if not worked_here or thread_id not in {None, owner.thread_id}:
            self._foreign.add(path)
            return None
        return OwnedRollout(path, 0, owner)
