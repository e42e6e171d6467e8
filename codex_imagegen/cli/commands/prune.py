"""``codex-imagegen prune``: show the disk use of past runs, and remove old ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from codex_imagegen.cli import console, options
from codex_imagegen.cli.options import Command, Option, events_option
from codex_imagegen.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from codex_imagegen.prune.summary import Summary

BRIEF = """Show what this program's own runs left in Codex's home, and remove old ones.

\b
  codex-imagegen prune
  codex-imagegen prune --older-than 90d --yes

Without --yes nothing is removed unless you confirm it on a terminal. Pictures that you saved with --out are not
touched.
"""
HELP = f"""{BRIEF}
Codex keeps a session of every run: its rollout, the picture in generated_images, and from 0.149 on a copy in a
database.

Only this program's sessions are touched: Codex recorded of each that codex exec started it in a private folder named
codex-imagegen-run-…, and that its model got this program's instructions. Sessions stay if they are still running, if
you continued or forked them, or if they were cut off and still have their folder, since a batch may need the picture.
Finish a batch that was cut off longer ago first.

Codex removes the sessions if it can (0.141 or newer); else this program removes the files.
"""
READS = """Reads under CODEX_HOME (or ~/.codex) the first record of every session; of this program's own, the records
up to the instructions; of those that are old enough, also the beginning and the end. With --keep-pictures it reads the
old ones completely, since a session whose picture is in no other file stays.
"""


def prune(*, older_than: str, keep_pictures: bool, yes: bool, codex: str | None, json_wanted: bool) -> int:
    """Show what past runs take on disk, and remove what may go; returns the exit code."""
    age, started = _parse_age(older_than), time.monotonic()
    from codex_imagegen.cli.progress import CountProgress
    from codex_imagegen.prune import run, summary

    with console.defer_signals() as interrupt:
        with CountProgress() as progress:
            found = run.find_prunable(age, keep_pictures=keep_pictures, interrupt=interrupt, on_progress=progress.show)
        if not json_wanted:
            for line in summary.format_table(found):
                console.out(line)
    if found.prunable and (yes or (not json_wanted and _confirm(found))):
        with console.defer_signals() as interrupt, CountProgress() as progress:
            run.remove(found, codex=codex, interrupt=interrupt, on_progress=progress.show)
    found.elapsed_sec = round(time.monotonic() - started, 3)
    return _print(found, json_wanted=json_wanted)


def _print(found: Summary, *, json_wanted: bool) -> int:
    from codex_imagegen.prune import summary

    if json_wanted:
        console.out(summary.to_json(found))
    elif found.dry_run:
        console.out(_dry_run_line(found))
    else:
        console.out(f"{summary.format_removed(found)}.")
    for warning in found.warnings:
        console.warn(warning, silent=json_wanted)
    if found.error:
        console.print_error(found.error)
    return found.error.exit_code if found.error else 0


def _dry_run_line(found: Summary) -> str:
    if not found.prunable:
        return "nothing to remove."
    return "nothing was removed; --yes removes what may go."


def _confirm(found: Summary) -> bool:
    try:
        return console.confirm(_question(found))
    except Interrupted as error:
        raise Interrupted(
            "interrupted; nothing was removed", signum=error.exit_code - 128, hint="run it again"
        ) from error


def _question(found: Summary) -> str:
    from codex_imagegen import render

    count, freed = len(found.prunable), render.size(found.freed_bytes(found.prunable))
    what = ("its rollout" if count == 1 else "their rollouts") + ("" if found.keep_pictures else " and pictures")
    return f"Remove {render.plural(count, 'session')}, {what} ({freed})? It can't be undone."


def _parse_age(age: str) -> float:
    """Return an age such as ``30d`` in seconds; 0 needs no unit."""
    if age.strip() == "0":
        return 0.0
    seconds = options.parse_duration(age.strip().lower())
    if seconds is None:
        raise UsageError(f"--older-than can't be {age!r}", hint="give it like 30d, 12h, 8w, 1y, or 0 for all")
    return seconds


command = Command(
    "prune",
    params=[
        Option(
            ["--older-than"],
            metavar="AGE",
            default="30d",
            help="Remove what is older: 12h, 30d, 8w, 1y; 0: all. [30d]",
        ),
        Option(["--keep-pictures"], is_flag=True, help="Keep the pictures in generated_images."),
        Option(["--yes"], is_flag=True, help="Remove without asking."),
        Option(["--codex"], metavar="FILE", help="Which Codex CLI removes the sessions. [codex on PATH]"),
        Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
        events_option(),
    ],
    callback=prune,
    brief=BRIEF,
    help=HELP,
    epilog=READS,
)
