"""What is said of several pictures of which some did not come: the command that makes the others."""

from __future__ import annotations

import os
from dataclasses import replace

from codex_imagegen.cli import again
from codex_imagegen.errors import Interrupted
from codex_imagegen.images import output
from codex_imagegen.request import Request
from codex_imagegen.results import Result
from codex_imagegen.runner.stops import SAME_PROMPT


def with_way_on(done: Result, request: Request) -> Result:
    """The same result, whose hint names the command that goes on, where there is one."""
    error = done.error
    more = _more(done, request)
    if error is None or more is None or error.code in SAME_PROMPT:
        return done
    before = replace(error, hint=None) if error.code == Interrupted.code else error
    return replace(done, error=replace(error, hint=again.go_on(before, again.command(more=more))))


def _more(done: Result, request: Request) -> tuple[str, ...] | None:
    """The words that the command needs besides; None where what is missing can't be told from what was there."""
    if request.force:
        return None
    if request.out is not None:
        return () if request.skip_existing else ("--skip-existing",)
    if not done.images:
        return ()
    out = _name(done, request.count)
    return ("--out", out, "--skip-existing") if out else None


def _name(done: Result, count: int) -> str | None:
    """The name whose numbered ones the pictures have; None where one moved on, since another run had its name."""
    missing = {failure.index for failure in done.failures}
    there = [index for index in range(count) if index not in missing]
    names = {_unnumbered(image.path, index) for index, image in zip(there, done.images, strict=True)}
    name = names.pop()
    if names or name is None:
        return None
    targets = output.numbered_names(name, count)
    return None if any(os.path.lexists(targets[index]) for index in missing) else name


def _unnumbered(path: str, index: int) -> str | None:
    """The name that :func:`output.numbered_names` has numbered, if it has."""
    stem, suffix = os.path.splitext(path)
    bare = stem.removesuffix(f"-{index + 1}")
    return bare + suffix if bare != stem else None
