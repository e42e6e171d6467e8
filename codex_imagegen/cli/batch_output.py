"""The output of ``batch``: each job as it ends, then what is left to do, with the command for it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codex_imagegen import render
from codex_imagegen.batches.outcomes import envelope
from codex_imagegen.cli import console, next_command
from codex_imagegen.errors import Interrupted
from codex_imagegen.request import Event
from codex_imagegen.results import ErrorInfo, Failure
from codex_imagegen.runner import attempts

if TYPE_CHECKING:
    from codex_imagegen.batches.outcomes import Outcome
    from codex_imagegen.cli.progress import BatchProgress
    from codex_imagegen.errors import ImagegenError

_MADE_BEFORE = {"recovered": "made by a run that was cut off", "skipped": "made before"}


class BatchOutput:
    """Prints the outcome of each job, and at the end what is left to do."""

    def __init__(self, json_wanted: bool, progress: BatchProgress) -> None:
        self._json, self._progress = json_wanted, progress
        self._counts: Counter[str] = Counter()
        self._first_error: ErrorInfo | None = None

    def print_outcome(self, outcome: Outcome) -> None:
        """Print a job's paths, or its JSON object; on stderr a line for a failure or a warning."""
        self._counts[outcome.status] += 1
        outcome = _add_rerun_command(outcome)
        with self._progress.paused(outcome):
            if self._json:
                console.out(json.dumps(envelope(outcome)))
            else:
                for image in outcome.result.images:
                    console.out(image.path)
            self._emit(outcome)

    def _emit(self, outcome: Outcome) -> None:
        result, ids, prefix = outcome.result, _ids(outcome), f"line {outcome.line}: "
        if outcome.status in _MADE_BEFORE:
            message = _MADE_BEFORE[outcome.status]
            console.emit(Event("written", path=result.images[0].path, message=message, **ids))
        if result.error and outcome.status == "failed":
            self._first_error = self._first_error or result.error
            line = console.error_text(replace(result.error, message=prefix + result.error.message))
            console.emit(Event("failed", message=result.error.message, error=result.error, **ids), line)
        for warning in result.warnings if outcome.status in {"made", "recovered"} else ():
            line = console.warning_text(replace(warning, message=prefix + warning.message))
            console.emit(render.warning_event(warning, **ids), None if self._json else line)

    def finish(self, total: int, stop: ImagegenError | None, signum: int | None) -> int:
        """Print what is left to do, and return the exit code."""
        done = self._counts["made"] + self._counts["recovered"] + self._counts["skipped"]
        if signum is not None:
            message = f"interrupted with {done} of {total} pictures done"
            raise Interrupted(message, signum=signum, hint=f"go on with:\n{_rerun_command()}", spent=None)
        if stop is not None:
            return self._print_stop(total, done, stop)
        if self._first_error is not None:
            message = render.partial_failure(total - done, total, "job", self._first_error.message)
            console.print_error(replace(self._first_error, message=message, exit_code=1), silent=True)
        return 0 if done == total else 1

    def _print_stop(self, total: int, done: int, stop: ImagegenError) -> int:
        left = total - done - self._counts["failed"]
        message = f"{stop.message.rstrip('.')}; {left} of {total} jobs are left"
        code = stop.exit_code if 2 <= stop.exit_code <= 4 and not done else 1
        error = replace(render.error_info(stop), message=message, hint=attempts.rerun_hint(stop), exit_code=code)
        console.print_error(replace(error, hint=next_command.rerun_hint(error, _rerun_command())))
        return code


def _ids(outcome: Outcome) -> dict[str, Any]:
    return {"job": outcome.line, "thread_id": outcome.result.thread_id, "request_id": outcome.result.request_id}


def _add_rerun_command(outcome: Outcome) -> Outcome:
    """Add the rerun command to the hint of a job that was not started."""
    error = outcome.result.error
    if outcome.status != "not-started" or error is None:
        return outcome
    error = replace(error, hint=next_command.rerun_hint(error, _rerun_command()))
    return replace(outcome, result=replace(outcome.result, error=error, failures=(Failure(0, error),)))


def _rerun_command() -> str:
    return next_command.rerun_command("batch")
