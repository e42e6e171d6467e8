"""``codex-imagegen batch``: many pictures, each made once, however often the command is cut off."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from codex_imagegen.cli import console, generate
from codex_imagegen.cli.help import events_option
from codex_imagegen.errors import UsageError
from codex_imagegen.model import STDOUT

if TYPE_CHECKING:
    from codex_imagegen.batch.jobs import Jobs

HELP = """Make many pictures: JOBS has one job a line, and - is stdin.

\b
  a red fox in the snow
  a blue bird on a branch

A line is a prompt, or, where the first one begins with a brace, a JSON object: "prompt", and if you like "refs", "out"
and any option below by its name. A job without "out" gets 0001.png by its line.

\b
  {"prompt": "a red fox in the snow", "out": "fox.png", "size": "1024x1536"}
  {"prompt": "this cat as a king", "refs": ["cat.jpg"], "timeout_sec": 600}

All of it is checked before the first picture. Cut off at any moment and run again, it makes what is missing: the
journal .codex-imagegen-batch.jsonl beside the pictures knows what was made.
"""
SHARED = (
    "size", "aspect_ratio", "resolution", "quality", "transparent", "fit", "format", "backend",
    "full_turn", "codex", "model", "codex_args",
)  # fmt: skip
"""The default command's options that hold for every job that does not say otherwise."""


class _Command(click.Command):
    """Remembers its words, so that the very same command can be named to go on with."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["words"] = tuple(args)
        return super().parse_args(ctx, args)


def batch(
    *,
    jobs: str,
    out_dir: str,
    workers: int | None,
    retry_failed: bool,
    json_wanted: bool,
    quiet: bool,
    **options: Any,
) -> int:
    """Make the pictures and print where they are; gives back the exit code."""
    from codex_imagegen.batch.attempt import Attempts
    from codex_imagegen.batch.journal import Journal
    from codex_imagegen.batch.run import Batch
    from codex_imagegen.cli.board import Board
    from codex_imagegen.cli.ledger import Ledger
    from codex_imagegen.generation import JOBS

    if workers is not None and workers < 1:
        raise UsageError(f"--jobs can't be {workers}", hint="give a number from 1")
    with contextlib.ExitStack() as stack:
        listed = stack.enter_context(_listed(jobs, out_dir, options))
        interrupt = stack.enter_context(console.running())
        total = listed.check(interrupt.check)
        journal = stack.enter_context(Journal(os.path.abspath(out_dir)))
        attempts = Attempts(journal, interrupt, retry_failed, folders={journal.folder}, tell=console.tell)
        work = Batch(listed, attempts, min(workers or JOBS.get(options["backend"], 2), total))
        told = Ledger(json_wanted, stack.enter_context(Board(total, work, quiet=quiet)))
        for outcome in work.outcomes():
            told.tell(outcome)
    return told.end(total, attempts.stopped, interrupt.signum)


def _listed(name: str, out_dir: str, options: dict[str, Any]) -> Jobs:
    """The list of jobs, read to its end; what was not given on the command line is no default."""
    from codex_imagegen.batch.jobs import Jobs

    defaults = {option: value for option, value in options.items() if value not in (None, False, ())}
    try:
        if name == STDOUT and sys.stdin is not None:
            return Jobs(sys.stdin.buffer, name, out_dir=out_dir, defaults=defaults)
        with open(name, "rb") as source:
            return Jobs(source, name, out_dir=out_dir, defaults=defaults)
    except OSError as error:
        reason = f"the jobs {name!r} can't be read: {error.strerror}"
        raise UsageError(reason, hint="give a file of jobs, or - for stdin") from error


command = _Command(
    "batch",
    params=[
        click.Argument(["jobs"], metavar="JOBS"),
        click.Option(["--out-dir"], default=".", metavar="DIR", help="Where relative outputs go. [.]"),
        click.Option(["--jobs", "workers"], type=int, metavar="N", help="How many at once. [2; runcomfy 8]"),
        click.Option(["--retry-failed"], is_flag=True, help="Try the jobs again that failed before."),
        click.Option(["--force"], is_flag=True, help="Replace files that are there, but not a job's own picture."),
        click.Option(["--timeout-sec"], type=float, metavar="N", help="For each picture. [300]"),
        *(option for option in generate.OPTIONS if option.name in SHARED),
        click.Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object a line as each job ends."),
        events_option(),
        click.Option(["-q", "--quiet"], is_flag=True, help="Show no progress."),
    ],
    callback=batch,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
