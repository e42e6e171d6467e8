"""How help looks: the default command's page ends with the other commands."""

from __future__ import annotations

import click

from codex_imagegen._version import __version__
from codex_imagegen.cli.next_command import Repeatable

EVENTS = "Make stderr JSON lines: one for each step, and done or error as the last."


class DefaultCommand(Repeatable):
    """The command that needs no name: its help lists the others, too."""

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Add the list of commands."""
        from codex_imagegen.cli.main import COMMANDS

        with formatter.section("Other commands (each has its own --help)"):
            formatter.write_dl([(name, text) for name, (_module, text) in COMMANDS.items() if name != "generate"])


def events_option() -> click.Option:
    """``--events``, which is heeded before the arguments are parsed: wrong ones are told as an event, too."""
    return click.Option(["--events"], is_flag=True, expose_value=False, help=EVENTS)


def version_option() -> click.Option:
    """``--version``, which prints the version alone and reads no package metadata (31 ms)."""

    def show(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(f"codex-imagegen {__version__}")
            ctx.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version.",
    )
