"""What a batch prints: each job's end as it comes, and at the end what is left to do, with the command for it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codex_imagegen import render
from codex_imagegen.batches.results import envelope
from codex_imagegen.cli import console, next_command
from codex_imagegen.errors import Interrupted
from codex_imagegen.request import Event
from codex_imagegen.results import ErrorInfo, Failure
from codex_imagegen.runner import attempts

if TYPE_CHECKING:
    from codex_imagegen.batches.results import Outcome
    from codex_imagegen.cli.progress import BatchProgress
    from codex_imagegen.errors import ImagegenError

_BEFORE = {"recovered": "made by a run that was cut off", "skipped": "made before"}


class BatchOutput:
    """Prints what becomes of each job, and at the end what is to be done."""

    def __init__(self, json_wanted: bool, board: BatchProgress) -> None:
        self._json, self._board = json_wanted, board
        self._counts: Counter[str] = Counter()
        self._first: ErrorInfo | None = None

    def tell(self, outcome: Outcome) -> None:
        """Print one job's end: its path, or its JSON object; on stderr a line for a failure or a warning."""
        self._counts[outcome.status] += 1
        outcome = _with_command(outcome)
        with self._board.paused(outcome):
            if self._json:
                console.out(json.dumps(envelope(outcome)))
            else:
                for image in outcome.result.images:
                    console.out(image.path)
            self._words(outcome)

    def _words(self, outcome: Outcome) -> None:
        result, about, at = outcome.result, _about(outcome), f"line {outcome.line}: "
        if outcome.status in _BEFORE:
            console.tell(Event("written", path=result.images[0].path, message=_BEFORE[outcome.status], **about))
        if result.error and outcome.status == "failed":
            self._first = self._first or result.error
            line = render.error_line(replace(result.error, message=at + result.error.message))
            console.tell(Event("failed", message=result.error.message, error=result.error, **about), line)
        for warning in result.warnings if outcome.status in {"made", "recovered"} else ():
            line = render.warning_line(replace(warning, message=at + warning.message))
            console.tell(render.warning_event(warning, **about), None if self._json else line)

    def end(self, total: int, stopped: ImagegenError | None, signum: int | None) -> int:
        """Say what is left to do, and give back the exit code."""
        good = self._counts["made"] + self._counts["recovered"] + self._counts["skipped"]
        if signum is not None:
            told = f"interrupted when {good} of {total} pictures were there"
            raise Interrupted(told, signum=signum, hint=f"go on with: {_again()}", spent=None)
        if stopped is not None:
            left = total - good - self._counts["failed"]
            message = f"{stopped.message.rstrip('.')}; {left} of {total} jobs are left"
            code = stopped.exit_code if 2 <= stopped.exit_code <= 4 and not good else 1
            info = replace(
                render.error_info(stopped), message=message, hint=attempts.rerun_hint(stopped), exit_code=code
            )
            info = replace(info, hint=next_command.rerun_hint(info, _again()))
            console.sentence(info)
            return code
        if self._first is not None:
            message = render.partial_failure(total - good, total, "job", self._first.message)
            console.last(replace(self._first, message=message, exit_code=1))
        return 0 if good == total else 1


def _about(outcome: Outcome) -> dict[str, Any]:
    return {"job": outcome.line, "thread_id": outcome.result.thread_id, "request_id": outcome.result.request_id}


def _with_command(outcome: Outcome) -> Outcome:
    """A job that was left says how to go on."""
    error = outcome.result.error
    if outcome.status != "not-started" or error is None:
        return outcome
    error = replace(error, hint=next_command.rerun_hint(error, _again()))
    return replace(outcome, result=replace(outcome.result, error=error, failures=(Failure(0, error),)))


def _again() -> str:
    return next_command.command("batch")
