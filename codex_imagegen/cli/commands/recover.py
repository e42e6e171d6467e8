"""``codex-imagegen recover``: extract the pictures of past sessions; spends nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.options import Argument, Command, Option, check_stdout, events_option, parse_since
from codex_imagegen.errors import UsageError
from codex_imagegen.results import Session

if TYPE_CHECKING:
    from codex_imagegen.recovery.write import RecoveryOutput

BRIEF = """Extract pictures from past sessions of Codex. Spends nothing, starts no Codex and sends nothing.

\b
  codex-imagegen recover --list --search fox
  codex-imagegen recover 0199a213 --out fox.png
  codex-imagegen recover --last --open
"""
HELP = f"""{BRIEF}
Name a session, interactive and archived ones too, by the beginning of its thread id (--list shows one that is long
enough) or by its rollout file. Without --out its pictures go into the working folder as <thread>.png, or as
<thread>-1.png, <thread>-2.png, … if it has several. --last is one picture: the newest, even if its session began long
before.
"""
READS = """Reads under CODEX_HOME (or ~/.codex) the names in sessions/, archived_sessions/ and generated_images/, and
the whole rollouts and the pictures of the requested sessions. With --list, these are all sessions from the newest back
to the last one listed (with --since, those that were changed since then); with --last, the times of change of all
sessions, and the sessions that were changed last, back to the one that holds the picture. Writes nothing there.
"""
DEFAULT_LIMIT = 20
_WIDE = 60
"""The columns of a terminal from which the list shows sizes."""


def recover(
    *,
    names: tuple[str, ...],
    last: bool,
    list_wanted: bool,
    json_wanted: bool,
    **others: Any,
) -> int:
    """Write the pictures and print their paths, or list the sessions; returns the exit code."""
    of_list = {name: others.pop(name) for name in ("limit", "search", "since")}
    _check(names, last=last, list_wanted=list_wanted, of_list=of_list, **others)
    check_stdout(others["out"], json_wanted)
    if list_wanted:
        return _list(**of_list, json_wanted=json_wanted)
    from codex_imagegen.recovery import write

    show, open_wanted = others.pop("show"), others.pop("open_wanted")
    result = write.recover(names, _output(**others), last=last, on_event=console.emit)
    from codex_imagegen.cli.progress import print_result

    return print_result(result, json_wanted=json_wanted, show=show, open_wanted=open_wanted)


def _output(*, size: str | None, fit: bool, **target: Any) -> RecoveryOutput:
    from codex_imagegen import options
    from codex_imagegen.recovery.write import RecoveryOutput

    return RecoveryOutput(**target, image_options=options.parse_image_options(size=size, fit=fit))


def _check(names: tuple[str, ...], *, last: bool, list_wanted: bool, of_list: dict[str, Any], **target: Any) -> None:
    """Refuse options that contradict ``--list``; the recovery refuses its own contradictions."""
    if not list_wanted:
        for name, value in of_list.items():
            if value is not None:
                raise UsageError(f"--{name} needs --list", hint=f"add --list, or leave --{name} out")
        return
    if names or last:
        hint = "leave one out; for help:\ncodex-imagegen recover --help"
        raise UsageError("--list and a session to recover contradict each other", hint=hint)
    if any(target[name] for name in ("out", "out_dir", "size", "fit", "show", "open_wanted")):
        raise UsageError("--list writes no pictures", hint="omit --out, --out-dir, --size, --fit, --show and --open")
    if (limit := of_list["limit"]) is not None and limit < 0:
        raise UsageError(f"--limit can't be {limit}", hint="give a number of sessions, or 0 for all")


def _list(*, limit: int | None, search: str | None, since: str | None, json_wanted: bool) -> int:
    """Print the sessions: as text the newest last, near the next prompt; as JSON the newest first."""
    from codex_imagegen.recovery import write
    from codex_imagegen.recovery.search import SessionFilter

    started = time.monotonic()
    wanted = SessionFilter(search, parse_since(since) if since is not None else 0.0)
    sessions = list(write.list_sessions(DEFAULT_LIMIT if limit is None else limit, wanted))
    if json_wanted:
        console.out(render.sessions_json(sessions, elapsed_sec=time.monotonic() - started))
        return 0
    shortened = write.shorten_thread_ids(sessions) if _is_on_terminal() else {}
    for line in _lines(sessions[::-1], shortened):
        console.out(line)
    if console.shares_terminal() and sessions and (newest := shortened.get(sessions[0].thread_id or "")):
        console.advise(f"fetch one, such as the last, with:\ncodex-imagegen recover {newest}")
    if not sessions and (search or since or _is_on_terminal()):
        console.say(f"{_nothing_found(search, since, wanted.searched)}.")
    return 0


def _lines(sessions: list[Session], shortened: Mapping[str, str]) -> list[str]:
    if not _is_on_terminal():
        return ["\t".join(render.session_cells(session)) for session in sessions]
    from rich.console import Console

    return session_lines(sessions, shortened, Console().width)


def session_lines(sessions: Iterable[Session], thread_ids: Mapping[str, str], columns: int) -> list[str]:
    """A line of at most so many ``columns`` for each session, for a terminal; ``thread_ids`` are the shortened ones.

    On a narrow terminal, the number and the size of the pictures are left out.
    """
    rows: list[tuple[str, ...]] = []
    for session in sessions:
        thread = thread_ids.get(session.thread_id or "", session.thread_id) or render.one_line(session.session)
        number = render.plural(session.pictures, "picture") if session.pictures > 1 else ""
        details = (number, render.size(session.bytes)) if columns >= _WIDE else ()
        rows.append((_short_time(session.time), thread, *details, render.one_line(session.prompt or "")))
    room = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for moment, thread, *numbers, prompt in rows:
        cells = [moment.rjust(room[0]), thread.ljust(room[1]), *map(str.rjust, numbers, room[2:])]
        start = "".join(f"{cell}  " for cell in cells if cell)
        lines.append((start + render.cut(prompt, columns - len(start))).rstrip())
    return lines


def _short_time(moment: float) -> str:
    """The local time as ``21 Nov 14:03``, and in another year as ``21 Nov 2025``."""
    local = time.localtime(moment)
    form = "%b %H:%M" if local.tm_year == time.localtime().tm_year else "%b %Y"
    return f"{local.tm_mday:>2} {time.strftime(form, local)}" if moment else "?"


def _nothing_found(search: str | None, since: str | None, searched: int) -> str:
    when = f" since {since}" if since else ""
    if search is None or not searched:
        return f"no past session holds a picture{when}"
    return f"{search!r} is in no prompt of the {render.plural(searched, 'session')} with pictures{when}"


def _is_on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


command = Command(
    "recover",
    params=[
        Argument(["names"], nargs=-1, metavar="[THREAD | ROLLOUT FILE]…"),
        Option(["--last"], is_flag=True, common=True, help="Recover the picture that was made last."),
        Option(["--list", "list_wanted"], is_flag=True, common=True, help="List sessions with pictures, newest last."),
        Option(["--search"], metavar="TEXT", common=True, help="With --list: those with all these words in a prompt."),
        Option(["--since"], metavar="WHEN", help="With --list: with a picture since 12h, 7d, 2026-11-01."),
        Option(["--limit"], type=int, metavar="N", common=True, help="How many sessions --list shows; 0: all. [20]"),
        Option(["-o", "--out"], metavar="FILE", common=True, help="File or folder; - is stdout. [<thread>.png]"),
        Option(["--out-dir"], metavar="DIR", common=True, help="The folder for several pictures. [the working folder]"),
        Option(["--size"], metavar="WxH", help="With --fit: width and height, such as 1024x1536."),
        Option(["--fit"], is_flag=True, help="Scale and crop to exactly --size, centred."),
        Option(["--force"], is_flag=True, common=True, help="Replace existing files."),
        Option(["--show"], is_flag=True, common=True, help="Show the picture in this terminal, too."),
        Option(["--open", "open_wanted"], is_flag=True, common=True, help="Open the picture in the system's viewer."),
        Option(["--json", "json_wanted"], is_flag=True, common=True, help="Print one JSON object on stdout."),
        events_option(),
    ],
    callback=recover,
    brief=BRIEF,
    help=HELP,
    epilog=READS,
)
