"""The output of ``batch``: each job as it ends, then what is left to do."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codex_imagegen import render
from codex_imagegen.batches.outcomes import RETRY_HINT, envelope
from codex_imagegen.cli import console, next_command
from codex_imagegen.cli.next_command import stdin_condition
from codex_imagegen.errors import Interrupted
from codex_imagegen.request import Event
from codex_imagegen.results import ErrorInfo, Failure
from codex_imagegen.runner import attempts

if TYPE_CHECKING:
    from codex_imagegen.batches.outcomes import Outcome
    from codex_imagegen.cli.progress import BatchProgress
    from codex_imagegen.errors import ImagegenError

_MADE_BEFORE = {"recovered": "made by a run that was cut off", "skipped": "made before"}

_RECORDED_EXIT_CODES = {5, 6, 7, 69, 75}
"""Exit codes of failures that the journal records; a rerun reports them again. After the others, it runs the job."""


class BatchOutput:
    """Prints the outcome of each job, and at the end what is left to do."""

    def __init__(self, json_wanted: bool, progress: BatchProgress) -> None:
        self._json, self._progress = json_wanted, progress
        self._counts: Counter[str] = Counter()
        self._first_error: ErrorInfo | None = None
        self._is_retry_useful = False

    def print_outcome(self, outcome: Outcome) -> None:
        """Print a job's paths, or its JSON object; on stderr a line for a failure or a warning."""
        self._counts[outcome.status] += 1
        outcome = _add_rerun_command(outcome)
        self._progress.count_outcome(outcome)
        if self._json:
            console.out(json.dumps(envelope(outcome)))
        else:
            console.print_paths(outcome.result.images)
        self._emit(outcome)

    def _emit(self, outcome: Outcome) -> None:
        result, ids, prefix = outcome.result, event_ids(outcome), f"line {outcome.line}: "
        if outcome.status in _MADE_BEFORE:
            message = _MADE_BEFORE[outcome.status]
            console.emit(Event("written", path=result.images[0].path, message=message, **ids))
        if result.error and outcome.status == "failed":
            self._first_error = self._first_error or result.error
            is_retry_useful = _is_retry_useful(result.error)
            self._is_retry_useful |= is_retry_useful
            # the command that tries again is printed once, at the end
            hint = None if is_retry_useful and result.error.hint == RETRY_HINT else result.error.hint
            line = console.error_text(replace(result.error, message=prefix + result.error.message, hint=hint))
            console.emit(Event("failed", message=result.error.message, error=result.error, **ids), line)
        for warning in result.warnings if outcome.status in {"made", "recovered"} else ():
            line = console.warning_text(replace(warning, message=prefix + warning.message))
            console.emit(render.warning_event(warning, **ids), None if self._json else line)

    def finish(self, total: int, stop: ImagegenError | None, signum: int | None) -> int:
        """Print the sum and what is left to do, and return the exit code."""
        is_last = signum is None and stop is None
        self._print_sum("not finished" if signum is not None else "not-started", is_last=is_last)
        done = self._counts["made"] + self._counts["recovered"] + self._counts["skipped"]
        if signum is not None:
            message = f"interrupted with {done} of {total} pictures done"
            hint = f"go on{stdin_condition()} with:\n{_rerun_command()}"
            raise Interrupted(message, signum=signum, hint=hint, spent=None)
        if stop is not None:
            return self._print_stop(total, done, stop)
        if self._first_error is not None:
            message = render.partial_failure(total - done, total, "job", self._first_error.message)
            console.print_error(replace(self._first_error, message=message, exit_code=1), silent=True)
        return 0 if done == total else 1

    def _print_sum(self, unended: str, *, is_last: bool) -> None:
        """Print how the jobs ended and, unless another command to go on with follows, the one that retries failures."""
        if self._progress.quiet:
            return
        command = next_command.rerun_command("batch", extra=("--retry-failed",))
        retry = f"try the failed jobs again{stdin_condition()} with:\n{command}"
        console.note(self._progress.summary(unended), retry if is_last and self._is_retry_useful else None)

    def _print_stop(self, total: int, done: int, stop: ImagegenError) -> int:
        left = total - done - self._counts["failed"]
        message = f"{stop.message.rstrip('.')}; {left} of {total} jobs are left"
        code = stop.exit_code if 2 <= stop.exit_code <= 4 and not done else 1
        error = replace(render.error_info(stop), message=message, hint=attempts.rerun_hint(stop), exit_code=code)
        console.print_error(replace(error, hint=next_command.rerun_hint(error, _rerun_command(), stdin_condition())))
        return code


def _is_retry_useful(error: ErrorInfo) -> bool:
    """Whether a rerun makes the picture with ``--retry-failed`` alone: what was refused would be refused again."""
    is_recorded = error.hint == RETRY_HINT or error.exit_code in _RECORDED_EXIT_CODES
    return is_recorded and error.code not in attempts.SAME_PROMPT_CODES


def event_ids(outcome: Outcome) -> dict[str, Any]:
    """The job, the thread and the request that an event of this outcome names."""
    return {"job": outcome.line, "thread_id": outcome.result.thread_id, "request_id": outcome.result.request_id}


def _add_rerun_command(outcome: Outcome) -> Outcome:
    """Add the rerun command to the hint of a job that was not started."""
    error = outcome.result.error
    if outcome.status != "not-started" or error is None:
        return outcome
    error = replace(error, hint=next_command.rerun_hint(error, _rerun_command(), stdin_condition()))
    return replace(outcome, result=replace(outcome.result, error=error, failures=(Failure(0, error),)))


def _rerun_command() -> str:
    return next_command.rerun_command("batch")
