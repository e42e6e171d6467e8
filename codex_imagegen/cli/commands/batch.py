"""``codex-imagegen batch``: make many pictures, each once, however often the command is interrupted."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from codex_imagegen.cli import console
from codex_imagegen.cli.commands import generate
from codex_imagegen.cli.options import Argument, Option, RepeatableCommand, events_option, parse_timeout
from codex_imagegen.request import STDOUT

if TYPE_CHECKING:
    from codex_imagegen.batches.jobs import Jobs

BRIEF = """Make many pictures: JOBS is a text file with one prompt a line; - is stdin.

\b
  codex-imagegen batch prompts.txt --out-dir pictures
"""
HELP = f"""{BRIEF}
If the first line begins with a brace, each line is a JSON object instead: "prompt" and optionally "refs", "out" and any
option below by its name. A job without "out" is named after its line: 0001.png. Lines that begin with # are comments.

\b
  {{"prompt": "a red fox in the snow", "out": "fox.png", "size": "1024x1536"}}
  {{"prompt": "this cat as a king", "refs": ["cat.jpg"], "timeout_sec": 600}}

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

    if options.pop("dry_run"):
        return _dry_run(jobs, out_dir, options, retry_failed=retry_failed, json_wanted=json_wanted)
    worker_count = runner.worker_count(workers, options["backend"])
    with contextlib.ExitStack() as stack:
        job_file = stack.enter_context(_open(jobs, out_dir, options))
        interrupt = stack.enter_context(console.defer_signals(until_exit=True))
        prepared = runner.prepare(
            job_file, out_dir, interrupt, workers=worker_count, retry_failed=retry_failed, on_event=console.emit
        )
        setup = stack.enter_context(prepared)
        output = BatchOutput(json_wanted, stack.enter_context(BatchProgress(setup.total, setup.batch, quiet=quiet)))
        for outcome in setup.batch.outcomes():
            output.print_outcome(outcome)
    return output.finish(setup.total, setup.worker.stopped, interrupt.signum)


def _open(jobs: str, out_dir: str, options: dict[str, Any]) -> Jobs:
    from codex_imagegen.batches import runner

    stdin = sys.stdin.buffer if jobs == STDOUT and sys.stdin is not None else None
    if stdin is not None:
        console.announce_stdin()
    return runner.open_job_file(jobs, out_dir=out_dir, defaults=options, source=stdin)


def _dry_run(jobs: str, out_dir: str, options: dict[str, Any], *, retry_failed: bool, json_wanted: bool) -> int:
    """Print what the batch would do with each job; the exit code is 1 if one of them would fail."""
    from codex_imagegen.batches import runner
    from codex_imagegen.cli.dry_run import PreviewOutput

    output = PreviewOutput(json_wanted)
    with _open(jobs, out_dir, options) as job_file, console.defer_signals() as interrupt:
        for outcome in runner.preview(job_file, out_dir, interrupt, retry_failed=retry_failed):
            output.print_outcome(outcome)
    return output.finish()


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
            help="The folder for the pictures. [the working folder]",
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
            help="How many are made at once. [2; RunComfy 8]",
        ),
        Option(
            ["--retry-failed"], is_flag=True, group="several", common=True,
            help="Try again the jobs that failed before.",
        ),
        Option(
            ["--dry-run"],
            is_flag=True,
            group="scripts",
            common=True,
            help="Check and show what would be made; spends nothing.",
        ),
        Option(
            ["--timeout-sec"],
            type=parse_timeout,
            metavar="N",
            group="scripts",
            help="Limit for each picture: seconds, or 90s, 5m. [300]",
        ),
        *(option for option in generate.OPTIONS if option.name in SHARED),
        Option(
            ["--json", "json_wanted"],
            is_flag=True,
            group="scripts",
            common=True,
            help="Print one JSON object a line, as each job ends.",
        ),
        events_option("scripts"),
        Option(["-q", "--quiet"], is_flag=True, group="scripts", help="Show no progress."),
    ],
    callback=batch,
    brief=BRIEF,
    help=HELP,
)  # fmt: skip
