"""``codex-imagegen batch``: many pictures, each made once, however often the command is cut off."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import click

from codex_imagegen.cli import console
from codex_imagegen.cli.commands import generate
from codex_imagegen.cli.next_command import Repeatable
from codex_imagegen.cli.options import events_option
from codex_imagegen.request import STDOUT

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
    from codex_imagegen.batches import runner
    from codex_imagegen.cli.batch_output import BatchOutput
    from codex_imagegen.cli.progress import BatchProgress

    at_once = runner.workers(workers, options["backend"])
    stdin = sys.stdin.buffer if jobs == STDOUT and sys.stdin is not None else None
    with contextlib.ExitStack() as stack:
        listed = stack.enter_context(runner.open_job_file(jobs, out_dir=out_dir, defaults=options, source=stdin))
        interrupt = stack.enter_context(console.running(to_the_end=True))
        begun = runner.prepare(
            listed, out_dir, interrupt, workers=at_once, retry_failed=retry_failed, tell=console.tell
        )
        batch = stack.enter_context(begun)
        told = BatchOutput(json_wanted, stack.enter_context(BatchProgress(batch.total, batch.work, quiet=quiet)))
        for outcome in batch.work.outcomes():
            told.tell(outcome)
    return told.end(batch.total, batch.attempts.stopped, interrupt.signum)


command = Repeatable(
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
