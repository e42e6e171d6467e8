"""The command that goes on where this one ended, and when to run it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from codex_imagegen.errors import ImagegenError
    from codex_imagegen.results import ErrorInfo


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


def go_on(stop: ErrorInfo | ImagegenError, again: str) -> str:
    """When to come back after what ended it, and with which command."""
    if stop.resets_at is not None:
        return time.strftime(f"after %Y-%m-%d %H:%M go on with: {again}", time.localtime(stop.resets_at))
    if stop.code == "usage-limit":
        return f"later go on with: {again}"
    return f"{stop.hint}; then go on with: {again}" if stop.hint else f"go on with: {again}"
