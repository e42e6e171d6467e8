"""What is said of several pictures of which some did not come: the command that makes the others."""

from __future__ import annotations

import re
from dataclasses import replace

from codex_imagegen.cli import again
from codex_imagegen.errors import Interrupted
from codex_imagegen.model import Request
from codex_imagegen.outcome import Result
from codex_imagegen.runner.stops import SAME_PROMPT

_NUMBER = re.compile(r"-\d+(?=\.\w+\Z)")


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
    return "--out", _NUMBER.sub("", done.images[0].path), "--skip-existing"
