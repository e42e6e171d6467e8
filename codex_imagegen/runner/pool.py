"""Run tasks in threads, and the pauses between attempts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from queue import Queue
from typing import Generic, TypeVar

from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.interrupt import Interrupt

Task = TypeVar("Task")
Result = TypeVar("Result")

_WAITING = 64
"""Results that may wait to be read: a slow reader slows the workers down instead of filling memory."""


class Pool(Generic[Task, Result]):
    """``workers`` threads that call ``work`` with each of the ``tasks``. ``running`` tasks are in progress.

    ``work`` returns the task's result, or raises :class:`Interrupted`, which ends the pool without an error.
    """

    def __init__(
        self, tasks: Iterable[Task], work: Callable[[Task], Result], *, workers: int, interrupt: Interrupt
    ) -> None:
        self._tasks, self._call, self._workers, self._interrupt = iter(tasks), work, workers, interrupt
        self._lock = threading.Lock()
        self._results: Queue[tuple[Result] | None] = Queue(_WAITING)
        self._error: BaseException | None = None
        self.running = 0

    def results(self) -> Generator[Result]:
        """The result of each task as it ends, fewer after an interrupt; raises any other exception of ``work``."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                result = self._results.get()
                working -= result is None
                if result is not None:
                    yield result[0]
        finally:
            if working:  # the reader has gone: let the runs clean up
                self._interrupt.set()
            while working:
                working -= self._results.get() is None
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        try:
            while (task := self._next_task()) is not None:
                self._results.put((self._run_task(task[0]),))
        except Interrupted:
            pass
        except BaseException as error:  # noqa: BLE001 - raised by results()
            self._error = self._error or error
        finally:
            self._results.put(None)

    def _next_task(self) -> tuple[Task] | None:
        with self._lock:
            if self._interrupt.signum is not None or self._error is not None:
                return None
            return next(((task,) for task in self._tasks), None)

    def _run_task(self, task: Task) -> Result:
        with self._lock:
            self.running += 1
        try:
            return self._call(task)
        finally:
            with self._lock:
                self.running -= 1


RETRYABLE = ("rate-limited", "network")
"""Codes of temporary failures."""

_SLICE_SEC = 0.25


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between attempts, in seconds: each ``factor`` times the one before, plus or minus a quarter."""

    first_sec: float = 4.0
    factor: float = 4.0
    longest_sec: float = 60.0
    tries: int = 4

    def pauses(self, uniform: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
        """The pauses, one fewer than attempts."""
        for number in range(self.tries - 1):
            yield min(self.first_sec * self.factor**number, self.longest_sec) * uniform(0.75, 1.25)


def is_retryable(error: ImagegenError) -> bool:
    """Whether to try again: a RunComfy request only if it can't have been billed."""
    return error.code in RETRYABLE or (error.code == "runcomfy-retry" and error.spent is False)


class Pause:
    """A pause of all workers when one of them hit a rate limit, so that the others do not hit it too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def start(self, seconds: float) -> None:
        """Pause everybody for so many seconds, or until the end of a longer pause."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)

    def wait(self, check: Callable[[], None]) -> None:
        """Wait until the pause is over; ``check`` is called meanwhile and may raise."""
        while True:
            check()
            left = self._until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE_SEC))
