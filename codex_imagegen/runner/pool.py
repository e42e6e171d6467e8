"""A pool of threads that run tasks and return their results as they end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable
from queue import Queue
from typing import Generic, TypeVar

from codex_imagegen.errors import Interrupted
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
        """Yield the result of each task as it ends, fewer after an interrupt; raises other exceptions of ``work``."""
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
            if working:  # the caller has closed the generator: let the runs clean up
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
