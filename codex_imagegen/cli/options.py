"""Options that several commands share, and the default command's help and completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from codex_imagegen._version import __version__
from codex_imagegen.errors import UsageError
from codex_imagegen.request import STDOUT

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

EVENTS = "Make stderr JSON lines: one for each step, and done or error as the last."


class Option(click.Option):
    """An option whose value is completed by its metavar: ``FILE``, ``DIR``, or ``this|that``."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the value."""
        from codex_imagegen.cli.completion import complete_value

        return complete_value(self.metavar, incomplete) or super().shell_complete(ctx, incomplete)


class Argument(click.Argument):
    """An argument whose value is completed by its metavar."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the value."""
        from codex_imagegen.cli.completion import complete_value

        return complete_value(self.metavar, incomplete) or super().shell_complete(ctx, incomplete)


class RepeatableCommand(click.Command):
    """A command that remembers its arguments, from which the hint to run it again is made."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember the arguments, and parse them."""
        ctx.meta["arguments"] = tuple(args)
        return super().parse_args(ctx, args)


class _DefaultContext(click.Context):
    @property
    def command_path(self) -> str:
        """The program's name alone, also where ``generate`` was written."""
        return self.parent.command_path if self.parent else super().command_path


class DefaultCommand(RepeatableCommand):
    """The command that needs no name: its help and its completion name the other commands, too."""

    context_class = _DefaultContext

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the list of commands."""
        if ctx.parent and isinstance(ctx.parent.command, click.Group):
            ctx.parent.command.format_commands(ctx.parent, formatter)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the first word to a command's name, too."""
        items = super().shell_complete(ctx, incomplete)
        if ctx.parent is None or ctx.meta["has_arguments"]:
            return items
        return [*ctx.parent.command.shell_complete(ctx.parent, incomplete), *items]


def check_stdout(out: str | None, json_wanted: bool) -> None:
    """Refuse ``--json`` with ``--out -``, which both need stdout."""
    if json_wanted and out == STDOUT:
        raise UsageError("--json and --out - both write to stdout", hint="give --out a file name")


def events_option() -> Option:
    """Return ``--events``, which :mod:`codex_imagegen.cli.main` finds before the arguments are parsed."""
    return Option(["--events"], is_flag=True, expose_value=False, help=EVENTS)


def version_option() -> Option:
    """Return ``--version``, which prints the version alone and reads no package metadata (31 ms)."""

    def show(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            click.echo(f"codex-imagegen {__version__}")
            ctx.exit()

    return Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version.",
    )
