"""``codex-imagegen recover``: extract the pictures of past sessions; spends nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.options import Argument, Command, Option, check_stdout, events_option
from codex_imagegen.errors import UsageError
from codex_imagegen.results import Session

if TYPE_CHECKING:
    from codex_imagegen.recovery.write import RecoveryOutput

BRIEF = """Extract pictures from past sessions of Codex. Spends nothing, starts no Codex and sends nothing.

\b
  codex-imagegen recover --list
  codex-imagegen recover --last --out fox.png
  codex-imagegen recover 0199a213-81c0-7800-8aa1-bbab2a035a53
"""
HELP = f"""{BRIEF}
Name a session, interactive and archived ones too, by its thread id or its rollout file. Without --out its pictures go
into the working folder as <thread>.png, or as <thread>-1.png, <thread>-2.png, … if it has several. --last is one
picture: the newest, even if its session began long before.
"""
READS = """Reads under CODEX_HOME (or ~/.codex) the names in sessions/, archived_sessions/ and generated_images/, and
the whole rollouts and the pictures of the requested sessions. With --list, these are all sessions from the newest back
to the last one listed; with --last, the times of change of all sessions, and the sessions that were changed last, back
to the one that holds the picture. Writes nothing there.
"""
DEFAULT_LIMIT = 20


def recover(
    *,
    names: tuple[str, ...],
    last: bool,
    list_wanted: bool,
    limit: int | None,
    json_wanted: bool,
    show: bool,
    **target: Any,
) -> int:
    """Write the pictures and print their paths, or list the sessions; returns the exit code."""
    _check(list_wanted, bool(names) or last, limit, **target)
    check_stdout(target["out"], json_wanted)
    from codex_imagegen.recovery import write

    if list_wanted:
        started = time.monotonic()
        return _list(write.list_sessions(DEFAULT_LIMIT if limit is None else limit), started if json_wanted else None)
    result = write.recover(names, _output(**target), last=last, on_event=console.emit)
    return console.print_result(result, json_wanted=json_wanted, show=show)


def _output(*, size: str | None, fit: bool, **target: Any) -> RecoveryOutput:
    from codex_imagegen import options
    from codex_imagegen.recovery.write import RecoveryOutput

    return RecoveryOutput(**target, image_options=options.parse_image_options(size=size, fit=fit))


def _check(list_wanted: bool, has_names: bool, limit: int | None, *, force: bool, **target: Any) -> None:  # noqa: ARG001
    """Refuse options that contradict ``--list``; the recovery refuses its own contradictions."""
    if list_wanted and has_names:
        raise UsageError(
            "--list and a session to recover contradict each other",
            hint="leave one out; for help:\ncodex-imagegen recover --help",
        )
    if list_wanted and any(target.values()):
        raise UsageError("--list writes no pictures", hint="omit --out, --out-dir, --size and --fit")
    if limit is not None and not list_wanted:
        raise UsageError("--limit needs --list", hint="add --list, or leave --limit out")
    if limit is not None and limit < 0:
        raise UsageError(f"--limit can't be {limit}", hint="give a number of sessions, or 0 for all")


def _list(sessions: Iterable[Session], started: float | None) -> int:
    """Print the sessions; as JSON if given the time when the search ``started``."""
    if started is not None:
        console.out(render.sessions_json(list(sessions), elapsed_sec=time.monotonic() - started))
    elif sys.stdout is not None and sys.stdout.isatty():
        _print_table(list(sessions))
    else:
        for session in sessions:
            console.out("\t".join(render.session_cells(session)))
    return 0


def _print_table(sessions: list[Session]) -> None:
    if not sessions:
        console.err("codex-imagegen: no past session holds a picture.")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name, right in (("time", False), ("thread", False), ("pictures", True), ("bytes", True), ("prompt", False)):
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "prompt")
    for session in sessions:
        table.add_row(*(Text(cell) for cell in render.session_cells(session)))  # Text: no markup is parsed
    Console().print(table)


command = Command(
    "recover",
    params=[
        Argument(["names"], nargs=-1, metavar="[THREAD | ROLLOUT FILE]…"),
        Option(["--last"], is_flag=True, common=True, help="Recover the picture that was made last."),
        Option(["--list", "list_wanted"], is_flag=True, common=True, help="List the sessions that hold pictures."),
        Option(["-o", "--out"], metavar="FILE", common=True, help="File or folder; - is stdout. [<thread>.png]"),
        Option(["--out-dir"], metavar="DIR", common=True, help="The folder for several pictures. [the working folder]"),
        Option(["--size"], metavar="WxH", help="With --fit: width and height, such as 1024x1536."),
        Option(["--fit"], is_flag=True, help="Scale and crop to exactly --size, centred."),
        Option(["--force"], is_flag=True, common=True, help="Replace existing files."),
        Option(["--show"], is_flag=True, common=True, help="Show the picture in this terminal, too."),
        Option(["--limit"], type=int, metavar="N", common=True, help="How many sessions --list shows; 0: all. [20]"),
        Option(["--json", "json_wanted"], is_flag=True, common=True, help="Print one JSON object on stdout."),
        events_option(),
    ],
    callback=recover,
    brief=BRIEF,
    help=HELP,
    epilog=READS,
)
