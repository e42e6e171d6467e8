"""``codex-imagegen batch``: make many pictures, each once, however often the command is interrupted."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

from codex_imagegen.cli import console
from codex_imagegen.cli.commands import generate
from codex_imagegen.cli.options import Argument, Option, RepeatableCommand, events_option
from codex_imagegen.request import STDOUT

HELP = """Make many pictures: JOBS has one job a line, and - is stdin.

\b
  a red fox in the snow
  a blue bird on a branch

A line is a prompt. If the first line begins with a brace, each line is a JSON object instead: "prompt" and optionally
"refs", "out" and any option below by its name. A job without "out" is named after its line: 0001.png.

\b
  {"prompt": "a red fox in the snow", "out": "fox.png", "size": "1024x1536"}
  {"prompt": "this cat as a king", "refs": ["cat.jpg"], "timeout_sec": 600}

All jobs are checked before the first picture is made. If the command is cut off, run it again: it makes what is
missing. The journal .codex-imagegen-batch.jsonl beside the pictures records what was made.
"""
SHARED = (
    "size", "aspect_ratio", "resolution", "quality", "transparent", "fit", "format", "backend",
    "full_turn", "codex", "model", "codex_args",
)  # fmt: skip
"""The default command's options that apply to every job without a value of its own."""


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
    """Make the pictures and print their paths; returns the exit code."""
    from codex_imagegen.batches import runner
    from codex_imagegen.cli.batch_output import BatchOutput
    from codex_imagegen.cli.progress import BatchProgress

    worker_count = runner.worker_count(workers, options["backend"])
    stdin = sys.stdin.buffer if jobs == STDOUT and sys.stdin is not None else None
    with contextlib.ExitStack() as stack:
        job_file = stack.enter_context(runner.open_job_file(jobs, out_dir=out_dir, defaults=options, source=stdin))
        interrupt = stack.enter_context(console.defer_signals(until_exit=True))
        prepared = runner.prepare(
            job_file, out_dir, interrupt, workers=worker_count, retry_failed=retry_failed, on_event=console.emit
        )
        setup = stack.enter_context(prepared)
        output = BatchOutput(json_wanted, stack.enter_context(BatchProgress(setup.total, setup.batch, quiet=quiet)))
        for outcome in setup.batch.outcomes():
            output.print_outcome(outcome)
    return output.finish(setup.total, setup.worker.stopped, interrupt.signum)


command = RepeatableCommand(
    "batch",
    params=[
        Argument(["jobs"], metavar="JOBS"),
        Option(
            ["--out-dir"],
            default=".",
            metavar="DIR",
            group="where",
            common=True,
            help="The folder for relative outputs. [.]",
        ),
        Option(
            ["--force"],
            is_flag=True,
            group="where",
            common=True,
            help="Replace existing files, except a job's own picture.",
        ),
        Option(
            ["--jobs", "workers"],
            type=int,
            metavar="N",
            group="several",
            common=True,
            help="How many jobs run at once. [2; runcomfy 8]",
        ),
        Option(
            ["--retry-failed"], is_flag=True, group="several", common=True, help="Retry the jobs that failed before."
        ),
        Option(
            ["--timeout-sec"],
            type=float,
            metavar="N",
            group="scripts",
            help="The limit for each picture, in seconds. [300]",
        ),
        *(option for option in generate.OPTIONS if option.name in SHARED),
        Option(
            ["--json", "json_wanted"],
            is_flag=True,
            group="scripts",
            common=True,
            help="Print one JSON object a line as each job ends.",
        ),
        events_option("scripts"),
        Option(["-q", "--quiet"], is_flag=True, group="scripts", help="Show no progress."),
    ],
    callback=batch,
    help=HELP,
)  # fmt: skip
