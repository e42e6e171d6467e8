"""Some jobs at a time, in threads; what becomes of each is handed to whoever prints it, as it ends."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from queue import Queue

from codex_imagegen import report
from codex_imagegen.batches.attempt import Attempts
from codex_imagegen.batches.jobs import Jobs
from codex_imagegen.batches.listing import Line
from codex_imagegen.batches.outcome import Outcome
from codex_imagegen.errors import ImagegenError, Interrupted

_WAITING = 64
"""Outcomes that may wait to be printed: a slow reader slows the batch down, and fills no memory."""


class Batch:
    """All the jobs of a list, ``workers`` at once. ``running`` are being worked on just now."""

    def __init__(self, jobs: Jobs, attempts: Attempts, workers: int) -> None:
        self._lines: Iterator[Line] = iter(jobs)
        self._jobs, self._attempts, self._workers = jobs, attempts, workers
        self._lock = threading.Lock()
        self._ended: Queue[Outcome | None] = Queue(_WAITING)
        self._defect: BaseException | None = None
        self.running = 0

    def outcomes(self) -> Generator[Outcome]:
        """Each job's end; fewer than there are jobs where the batch was interrupted. Raises a defect of ours alone."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                ended = self._ended.get()
                working -= ended is None
                if ended is not None:
                    yield ended
        finally:
            if working:  # whoever listened has gone: let the runs clean up
                self._attempts.interrupt.set()
            while working:
                working -= self._ended.get() is None
            self._attempts.sweep()
        if self._defect is not None:
            raise self._defect

    def _work(self) -> None:
        try:
            while (line := self._next()) is not None:
                self._ended.put(self._outcome(line))
        except Interrupted:
            pass
        except BaseException as error:  # noqa: BLE001 - told by whoever waits for the outcomes
            self._defect = self._defect or error
        finally:
            self._ended.put(None)

    def _next(self) -> Line | None:
        with self._lock:
            if self._attempts.interrupt.signum is not None or self._defect is not None:
                return None
            return next(self._lines, None)

    def _outcome(self, line: Line) -> Outcome:
        with self._lock:
            self.running += 1
        try:
            return self._attempts.settle(self._jobs.job(line))
        except Interrupted:
            raise
        except ImagegenError as error:  # a reference that has gone since it was checked
            return Outcome(line.number, None, "failed", report.failed(error))
        finally:
            with self._lock:
                self.running -= 1
