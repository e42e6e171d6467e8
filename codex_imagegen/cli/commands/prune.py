"""``codex-imagegen prune``: what past runs take on disk, and the removal of the old ones."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from codex_imagegen.cli import console, durations
from codex_imagegen.cli.options import events_option
from codex_imagegen.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from codex_imagegen.prune.run import Tell
    from codex_imagegen.prune.summary import Summary

HELP = """Show what this program's own runs have left in Codex's home, and remove the old ones.

\b
  codex-imagegen prune
  codex-imagegen prune --older-than 90d --yes

Codex keeps of every run a session: its rollout, the picture in generated_images, and from 0.149 on a copy in a
database. Without --yes nothing is removed, unless you say yes when asked on a terminal.

Only sessions of this program are touched: Codex itself recorded of each that it was begun by codex exec in a private
folder named codex-imagegen-run-…, and that its model was told what this program tells it. What is still at work stays,
and so does what you went on with, what you forked, and what was cut off and has its folder still: a batch may want its
picture. A batch that was cut off longer ago is best finished first. Pictures that you saved with --out are not touched.

It is Codex that removes them, if there is one that can (0.141 or newer); if not, the files are removed.

What is read: under CODEX_HOME (or ~/.codex) the first record of every session, of the program's own the records up to
what the model was told, and of those that are old enough both ends; with --keep-pictures all of these, since a picture
that is in no other file stays.
"""
_EVERY = 97
"""A counting line that shows each of 60,000 numbers would take longer than the counting."""


def prune(*, older_than: str, keep_pictures: bool, yes: bool, codex: str | None, json_wanted: bool) -> int:
    """Show what there is, remove what is to be removed; gives back the exit code."""
    age, started = _seconds(older_than), time.monotonic()
    from codex_imagegen.prune import run, summary

    with console.running() as interrupt:
        with _counting() as tell:
            found = run.look(age, keep_pictures=keep_pictures, interrupt=interrupt, tell=tell)
        if not json_wanted:
            for line in summary.table(found):
                console.out(line)
    if found.prunable and (yes or (not json_wanted and _said_yes(found))):
        with console.running() as interrupt, _counting() as tell:
            run.remove(found, codex=codex, interrupt=interrupt, tell=tell)
    found.elapsed_sec = round(time.monotonic() - started, 3)
    return _end(found, json_wanted=json_wanted)


def _end(found: Summary, *, json_wanted: bool) -> int:
    from codex_imagegen.prune import summary

    if json_wanted:
        console.out(summary.to_json(found))
    elif found.dry_run:
        console.out(_advice(found))
    else:
        console.out(f"{summary.lines(found)}.")
    for warning in found.warnings:
        console.warn(warning, silent=json_wanted)
    if found.error:
        console.sentence(found.error)
    return found.error.exit_code if found.error else 0


def _advice(found: Summary) -> str:
    if not found.prunable:
        return "nothing to remove."
    return "nothing was removed; --yes removes what may go."


def _said_yes(found: Summary) -> bool:
    try:
        return console.confirm(_question(found))
    except Interrupted as error:
        raise Interrupted(
            "interrupted; nothing was removed", signum=error.exit_code - 128, hint="run it again"
        ) from error


def _question(found: Summary) -> str:
    from codex_imagegen import render

    count, room = len(found.prunable), render.size(found.freed_bytes(found.prunable))
    what = ("its rollout" if count == 1 else "their rollouts") + ("" if found.keep_pictures else " and pictures")
    return f"Remove {render.plural(count, 'session')}, {what} ({room})? It can't be undone."


@contextlib.contextmanager
def _counting() -> Iterator[Tell]:
    """A context of what shows on a terminal how far it is."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield lambda _what, _number: None
        return
    from codex_imagegen.cli.progress import live_line

    line, task = live_line()

    def tell(what: str, number: int) -> None:
        if number % _EVERY == 1:
            line.update(task, description=f"{what} · {number:,}")

    try:
        yield tell
    finally:
        line.stop()


def _seconds(age: str) -> float:
    """An age such as ``30d`` in seconds; 0 needs no unit."""
    if age.strip() == "0":
        return 0.0
    found = durations.seconds(age.strip().lower())
    if found is None:
        raise UsageError(f"--older-than can't be {age!r}", hint="give it like 30d, 12h, 8w, 1y, or 0 for all")
    return found


command = click.Command(
    "prune",
    params=[
        click.Option(["--older-than"], metavar="AGE", default="30d", help="Such as 30d, 12h, 8w, 1y; 0: all. [30d]"),
        click.Option(["--keep-pictures"], is_flag=True, help="Leave the files in generated_images where they are."),
        click.Option(["--yes"], is_flag=True, help="Remove what may go, and don't ask."),
        click.Option(["--codex"], metavar="FILE", help="Which Codex CLI removes them. [codex on PATH]"),
        click.Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
        events_option(),
    ],
    callback=prune,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
