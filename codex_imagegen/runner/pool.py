"""Some tasks at a time, in threads; how each ended is handed to whoever asks, as it ends.

How long to leave a service alone that takes no more just now.
"""

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
End = TypeVar("End")

_WAITING = 64
"""Ends that may wait to be taken: a slow reader slows the work down, and fills no memory."""


class Pool(Generic[Task, End]):
    """``workers`` threads call ``work`` with each of the ``tasks``. ``running`` are being worked on just now.

    ``work`` gives back how the task ended, or raises :class:`Interrupted`, which ends the pool in silence.
    """

    def __init__(
        self, tasks: Iterable[Task], work: Callable[[Task], End], *, workers: int, interrupt: Interrupt
    ) -> None:
        self._tasks, self._do, self._workers, self._interrupt = iter(tasks), work, workers, interrupt
        self._lock = threading.Lock()
        self._ended: Queue[tuple[End] | None] = Queue(_WAITING)
        self._defect: BaseException | None = None
        self.running = 0

    def ends(self) -> Generator[End]:
        """Each task's end; fewer than there are tasks where it was interrupted. Raises what ``work`` should not."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        working = len(threads)
        try:
            while working:
                ended = self._ended.get()
                working -= ended is None
                if ended is not None:
                    yield ended[0]
        finally:
            if working:  # whoever listened has gone: let the runs clean up
                self._interrupt.set()
            while working:
                working -= self._ended.get() is None
        if self._defect is not None:
            raise self._defect

    def _work(self) -> None:
        try:
            while (task := self._next()) is not None:
                self._ended.put((self._end(task[0]),))
        except Interrupted:
            pass
        except BaseException as error:  # noqa: BLE001 - told by whoever waits for the ends
            self._defect = self._defect or error
        finally:
            self._ended.put(None)

    def _next(self) -> tuple[Task] | None:
        with self._lock:
            if self._interrupt.signum is not None or self._defect is not None:
                return None
            return next(((task,) for task in self._tasks), None)

    def _end(self, task: Task) -> End:
        with self._lock:
            self.running += 1
        try:
            return self._do(task)
        finally:
            with self._lock:
                self.running -= 1


PASSING = ("rate-limited", "network")
"""What passes by itself."""

_SLICE_SEC = 0.25


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between tries, in seconds: each ``factor`` times the one before, give or take a quarter."""

    first_sec: float = 4.0
    factor: float = 4.0
    longest_sec: float = 60.0
    tries: int = 4

    def pauses(self, dice: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
        """One pause less than there are tries."""
        for number in range(self.tries - 1):
            yield min(self.first_sec * self.factor**number, self.longest_sec) * dice(0.75, 1.25)


def passes(error: ImagegenError) -> bool:
    """Whether to try again: a request to RunComfy only where nothing of it can have been billed."""
    return error.code in PASSING or (error.code == "runcomfy-retry" and error.spent is False)


class Pause:
    """Shut for everybody when one was told to wait, so that the others do not run into the same limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def shut(self, seconds: float) -> None:
        """Let nobody through for so long."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)

    def wait(self, go_on: Callable[[], None]) -> None:
        """Wait until it is open; ``go_on`` is asked meanwhile, and may raise."""
        while True:
            go_on()
            left = self._until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE_SEC))
