"""``codex-imagegen recover``: the pictures of past sessions, without spending anything."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.options import events_option
from codex_imagegen.errors import UsageError
from codex_imagegen.request import STDOUT
from codex_imagegen.results import Session

if TYPE_CHECKING:
    from codex_imagegen.recovery.write import RecoveryOutput

HELP = """Take pictures out of past sessions of Codex: nothing is spent, no Codex is started, nothing is sent.

\b
  codex-imagegen recover --list
  codex-imagegen recover --last --out fox.png
  codex-imagegen recover 0199a213-81c0-7800-8aa1-bbab2a035a53

A session is named by its thread id or by its rollout file; interactive and archived sessions count as well. Without
--out its pictures go into the working folder as <thread>.png, or <thread>-1.png, <thread>-2.png, … where it has
several. --last is one picture: the one that was made last, also in a session that began long before.

What is read: under CODEX_HOME (or ~/.codex) the names in sessions/, archived_sessions/ and generated_images/, and of
the sessions that are asked for the whole rollout and the pictures. With --list, that is every session from the newest
back to the last one needed; with --last, the times of change of all sessions, and the sessions that were changed last,
back to the one that holds the picture. Nothing is written there.
"""
DEFAULT_LIMIT = 20


def recover(
    *,
    wanted: tuple[str, ...],
    last: bool,
    list_wanted: bool,
    limit: int | None,
    json_wanted: bool,
    show: bool,
    **where: Any,
) -> int:
    """Write the pictures and print where they are, or list what there is; gives back the exit code."""
    _check(list_wanted, bool(wanted) or last, limit, **where)
    if json_wanted and where["out"] == STDOUT:
        raise UsageError("--json and --out - both want stdout", hint="give --out a file name")
    from codex_imagegen.recovery import write

    if list_wanted:
        started = time.monotonic()
        return _list(write.listed(DEFAULT_LIMIT if limit is None else limit), started if json_wanted else None)
    done = write.recover(wanted, _place(**where), last=last, tell=console.tell)
    return console.result(done, json_wanted=json_wanted, show=show)


def _place(*, size: str | None, fit: bool, **where: Any) -> RecoveryOutput:
    from codex_imagegen import options
    from codex_imagegen.recovery.write import RecoveryOutput

    return RecoveryOutput(**where, image_options=options.parse(size=size, fit=fit))


def _check(list_wanted: bool, named: bool, limit: int | None, *, force: bool, **where: Any) -> None:  # noqa: ARG001
    """What a list can't mean; what a recovery can't mean is its own to say."""
    if list_wanted and named:
        raise UsageError(
            "--list and a session to recover contradict each other", hint="see codex-imagegen recover --help"
        )
    if list_wanted and any(where.values()):
        raise UsageError("--list writes no pictures", hint="leave --out, --out-dir, --size and --fit out")
    if limit is not None and (not list_wanted or limit < 0):
        raise UsageError("--limit says how many sessions --list shows", hint="give it 0 for all of them")


def _list(held: Iterable[Session], started: float | None) -> int:
    """Print the sessions; as JSON where it is said when the looking ``started``."""
    if started is not None:
        found = list(held)
        console.out(render.sessions_json(found, elapsed_sec=time.monotonic() - started))
    elif sys.stdout is not None and sys.stdout.isatty():
        _table(list(held))
    else:
        for session in held:
            console.out("\t".join(render.session_cells(session)))
    return 0


def _table(held: list[Session]) -> None:
    if not held:
        console.err("codex-imagegen: no past session holds a picture.")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name, right in (("time", False), ("thread", False), ("pictures", True), ("bytes", True), ("prompt", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "prompt")
    for session in held:
        table.add_row(*(Text(cell) for cell in render.session_cells(session)))  # Text: no markup is read in it
    Console().print(table)


command = click.Command(
    "recover",
    params=[
        click.Argument(["wanted"], nargs=-1, metavar="[THREAD | ROLLOUT FILE]…"),
        click.Option(["--last"], is_flag=True, help="The picture that was made last."),
        click.Option(["--list", "list_wanted"], is_flag=True, help="Show the sessions that hold pictures."),
        click.Option(["-o", "--out"], metavar="FILE", help="Where it goes: .png, .jpg, .webp; - is stdout."),
        click.Option(["--out-dir"], metavar="DIR", help="The folder for <thread>.png. [the working folder]"),
        click.Option(["--size"], metavar="WxH", help="With --fit: width and height in pixels."),
        click.Option(["--fit"], is_flag=True, help="Scale and crop to --size exactly, around the centre."),
        click.Option(["--force"], is_flag=True, help="Replace what is there already."),
        click.Option(["--show"], is_flag=True, help="Show the pictures in the terminal, too."),
        click.Option(["--limit"], type=int, metavar="N", help="How many sessions --list shows; 0: all. [20]"),
        click.Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
        events_option(),
    ],
    callback=recover,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
