"""Jobs in threads: each ends once, the reader may be slow or stop, and a bug stops all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

import pytest

from codex_imagegen.batches.job_file import Line
from codex_imagegen.batches.jobs import Jobs
from codex_imagegen.batches.outcomes import Outcome
from codex_imagegen.batches.runner import Batch
from codex_imagegen.batches.worker import JobWorker
from codex_imagegen.errors import ReferenceMissing
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.results import Result
from tests.support.checks import wait_until


class Listed:
    """Jobs that are lines."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Any:
        return (Line(number, b"") for number in range(1, self.count + 1))

    def job(self, line: Line) -> Line:
        return line


class Attempted:
    """Runs a job by calling a function."""

    def __init__(self, settle: Callable[[Line], object] = lambda _line: None) -> None:
        self.interrupt, self.swept, self._settle = Interrupt(), 0, settle

    def run(self, line: Line) -> Outcome:
        self.interrupt.check()
        self._settle(line)
        return Outcome(line.number, None, "made", Result(ok=True, backend="codex"))

    def remove_abandoned(self) -> None:
        self.swept += 1


def batch(count: int, attempts: Attempted, workers: int = 3) -> Batch:
    return Batch(cast(Jobs, Listed(count)), cast(JobWorker, attempts), workers)


def test_each_job_ends_once_with_so_many_at_a_time() -> None:
    at_once: list[int] = []
    three = threading.Barrier(3, timeout=60)

    def settle(line: Line) -> None:
        if line.number <= 3:
            three.wait()
        at_once.append(work.running)

    work = batch(40, attempts := Attempted(settle))
    assert sorted(outcome.line for outcome in work.outcomes()) == list(range(1, 41))
    assert max(at_once) == 3
    assert (attempts.swept, work.running) == (1, 0)


def test_slow_reader_slows_the_batch_down() -> None:
    done: list[int] = []
    outcomes = batch(1000, Attempted(lambda line: done.append(line.number))).outcomes()
    next(outcomes)
    time.sleep(0.2)
    assert len(done) < 100
    assert len(list(outcomes)) == 999


def test_job_that_can_not_be_read_any_more_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_self: Listed, line: Line) -> Line:
        raise ReferenceMissing(f"{line.number} is gone")

    monkeypatch.setattr(Listed, "job", gone)
    found = list(batch(2, Attempted()).outcomes())
    assert [(outcome.status, outcome.out) for outcome in found] == [("failed", None)] * 2
    assert {outcome.result.error.code for outcome in found if outcome.result.error} == {"ref-missing"}


def test_interrupt_ends_the_outcomes_without_an_error() -> None:
    attempts = Attempted(lambda line: attempts.interrupt.set() if line.number == 5 else None)
    assert len(list(batch(1000, attempts, 1).outcomes())) == 5
    assert attempts.swept == 1


def test_bug_stops_all_and_is_raised() -> None:
    def settle(line: Line) -> None:
        if line.number == 5:
            raise ZeroDivisionError

    found = []
    with pytest.raises(ZeroDivisionError):
        found += list(batch(1000, Attempted(settle), 1).outcomes())


def test_closing_the_outcomes_stops_the_runs() -> None:
    before = set(threading.enumerate())
    attempts = Attempted(lambda _line: time.sleep(0.01))
    outcomes = batch(1000, attempts).outcomes()
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert attempts.interrupt.signum is not None
    wait_until(lambda: not set(threading.enumerate()) - before, "the threads to end")
