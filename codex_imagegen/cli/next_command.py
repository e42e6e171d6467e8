"""What is said of several pictures of which some did not come: the command that makes the others.

The command that goes on where this one ended, and when to run it.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from codex_imagegen.errors import Interrupted
from codex_imagegen.images import output
from codex_imagegen.request import Request
from codex_imagegen.results import Result
from codex_imagegen.runner.attempts import SAME_PROMPT

if TYPE_CHECKING:
    from codex_imagegen.errors import ImagegenError
    from codex_imagegen.results import ErrorInfo


def add_rerun_hint(done: Result, request: Request) -> Result:
    """The same result, whose hint names the command that goes on, where there is one."""
    error = done.error
    more = _more(done, request)
    if error is None or more is None or error.code in SAME_PROMPT:
        return done
    before = replace(error, hint=None) if error.code == Interrupted.code else error
    return replace(done, error=replace(error, hint=rerun_hint(before, command(more=more))))


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


class Repeatable(click.Command):
    """Remembers its words, so that the very same command can be named to go on with."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the words, and parse them."""
        ctx.meta["words"] = tuple(args)
        return super().parse_args(ctx, args)


def command(*before: str, more: tuple[str, ...] = ()) -> str:
    """The command that was called, with these words ``before`` its own, and ``more`` of them at its end."""
    import shlex

    words = click.get_current_context().meta["words"]
    at = words.index("--") if "--" in words else len(words)
    return shlex.join(["codex-imagegen", *before, *words[:at], *more, *words[at:]])


def rerun_hint(stop: ErrorInfo | ImagegenError, again: str) -> str:
    """When to come back after what ended it, and with which command."""
    if stop.resets_at is not None:
        return time.strftime(f"after %Y-%m-%d %H:%M go on with: {again}", time.localtime(stop.resets_at))
    if stop.code == "usage-limit":
        return f"later go on with: {again}"
    return f"{stop.hint}; then go on with: {again}" if stop.hint else f"go on with: {again}"
