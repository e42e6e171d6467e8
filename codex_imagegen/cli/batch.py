"""``codex-imagegen batch``: many pictures, each made once, however often the command is cut off."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from codex_imagegen import report
from codex_imagegen.cli import console, generate
from codex_imagegen.errors import UsageError
from codex_imagegen.model import STDOUT, ErrorInfo, Failure

if TYPE_CHECKING:
    from codex_imagegen.batch.jobs import Jobs
    from codex_imagegen.batch.outcome import Outcome
    from codex_imagegen.errors import ImagegenError

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
    from codex_imagegen.generation import JOBS

    if workers is not None and workers < 1:
        raise UsageError(f"--jobs can't be {workers}", hint="give a number from 1")
    with contextlib.ExitStack() as stack:
        listed = stack.enter_context(_listed(jobs, out_dir, options))
        interrupt = stack.enter_context(console.running())
        total = listed.check(interrupt.check)
        journal = stack.enter_context(Journal(os.path.abspath(out_dir)))
        attempts = Attempts(journal, interrupt, retry_failed, folders={journal.folder})
        work = Batch(listed, attempts, min(workers or JOBS.get(options["backend"], 2), total))
        told = _Teller(json_wanted, stack.enter_context(Board(total, work, quiet=quiet)))
        for outcome in work.outcomes():
            told.tell(outcome)
    return told.end(total, attempts.stopped, interrupt.signum)


class _Teller:
    """Prints what becomes of each job, and at the end what is to be done."""

    def __init__(self, json_wanted: bool, board: Any) -> None:
        self._json, self._board = json_wanted, board
        self._counts: Counter[str] = Counter()

    def tell(self, outcome: Outcome) -> None:
        """Print one job's end: its path, or its JSON object; on stderr a line for a failure or a warning."""
        self._counts[outcome.status] += 1
        outcome = _with_command(outcome)
        with self._board.paused(outcome):
            if self._json:
                from codex_imagegen.batch.outcome import envelope

                console.out(json.dumps(envelope(outcome)))
            else:
                for image in outcome.result.images:
                    console.out(image.path)
            self._words(outcome)

    def _words(self, outcome: Outcome) -> None:
        error, at = outcome.result.error, f"line {outcome.line}: "
        if error and outcome.status == "failed":
            console._sentence(replace(error, message=at + error.message))
        for warning in outcome.result.warnings if outcome.status in {"made", "recovered"} and not self._json else ():
            console.err(report.warning_line(replace(warning, message=at + warning.message)))

    def end(self, total: int, stopped: ImagegenError | None, signum: int | None) -> int:
        """Say what is left to do, and give back the exit code."""
        good = self._counts["made"] + self._counts["recovered"] + self._counts["there"]
        if signum is not None:
            from codex_imagegen.errors import Interrupted

            told = f"interrupted when {good} of {total} pictures were there"
            raise Interrupted(told, signum=signum, hint=f"go on with: {_again()}", spent=None)
        if stopped is not None:
            left = total - good - self._counts["failed"]
            message = f"{stopped.message.rstrip('.')}; {left} of {total} jobs are left"
            console._sentence(replace(report.error_info(stopped), message=message, hint=_go_on(stopped)))
            return stopped.exit_code if 2 <= stopped.exit_code <= 4 and not good else 1
        return 0 if good == total else 1


def _with_command(outcome: Outcome) -> Outcome:
    """A job that was left says how to go on."""
    error = outcome.result.error
    if outcome.status != "left" or error is None:
        return outcome
    error = replace(error, hint=_go_on(error))
    return replace(outcome, result=replace(outcome.result, error=error, failures=(Failure(0, error),)))


def _go_on(stop: ErrorInfo | ImagegenError) -> str:
    """When to come back, and with which command."""
    if stop.resets_at is not None:
        return time.strftime(f"after %Y-%m-%d %H:%M go on with: {_again()}", time.localtime(stop.resets_at))
    if stop.code == "usage-limit":
        return f"later go on with: {_again()}"
    return f"{stop.hint}; then go on with: {_again()}" if stop.hint else f"go on with: {_again()}"


def _again() -> str:
    """The command that goes on."""
    words = click.get_current_context().meta["words"]
    return shlex.join(["codex-imagegen", "batch", *words])


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
        click.Option(["-q", "--quiet"], is_flag=True, help="Show no progress."),
    ],
    callback=batch,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
