"""Blocking calls and pauses that end at once on an interrupt, and at the run's deadline at the latest.

Each blocking call (name look-up, TLS, a slow answer) runs in its own thread. The caller waits on a queue that the
thread or the interrupt fills. It is a ``SimpleQueue`` because its ``put`` is safe in a signal handler: a handler that
sets a ``threading.Event`` can deadlock on that event's lock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar, cast

from codex_imagegen.errors import ImagegenError, RunComfyRetry

if TYPE_CHECKING:
    from codex_imagegen.interrupt import Interrupt

T = TypeVar("T")

_INTERRUPTED = object()


class DeadlineExceeded(RunComfyRetry):
    """The run's deadline passed."""


class CallTimeout(Exception):
    """One call exceeded its own limit, before the run's deadline."""


class _CallResult:
    """The value that a call returned, or the exception that it raised."""

    def __init__(self, value: object = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


class Deadline:
    """The end of a run: a point in time, and an interrupt that may end it earlier.

    ``expires_at`` is a reading of ``time.monotonic()`` in seconds. With ``ignore_earlier_stop``, an interrupt that
    was set before does not count: an interrupted run can still send its cancel, unless it is interrupted again.
    """

    def __init__(self, interrupt: Interrupt, expires_at: float, *, ignore_earlier_stop: bool = False) -> None:
        self.interrupt = interrupt
        self.expires_at = expires_at
        self._ignore_earlier_stop = ignore_earlier_stop

    def check(self, *, spent: bool | None = False) -> None:
        """Raise :class:`Interrupted` or :class:`DeadlineExceeded` if the run must end."""
        if not self._ignore_earlier_stop:
            self.interrupt.check(spent=spent)
        if time.monotonic() >= self.expires_at:
            raise DeadlineExceeded("the run's time is up", spent=spent)

    def pause(self, seconds: float, *, spent: bool | None = None) -> None:
        """Wait for some seconds; raises as :meth:`check` does, as soon as there is a reason."""
        with self._open_queue() as queue:
            is_interrupted = _get(queue, min(time.monotonic() + seconds, self.expires_at)) is not None
        if is_interrupted:
            raise self.interrupt.error(spent=spent)
        self.check(spent=spent)

    def call(
        self,
        work: Callable[[threading.Event], T],
        *,
        limit: float | None = None,
        grace: float = 0.0,
        spent: bool | None = False,
    ) -> T:
        """Return what ``work`` returns, or raise what it raises; its event is set once the caller no longer waits.

        Raises :class:`CallTimeout` after ``limit`` seconds, and as :meth:`check` does. When the run must end, the
        answer is still awaited for ``grace`` seconds; if it arrives, the next check raises instead.
        """
        self.check()
        abandoned = threading.Event()
        with self._open_queue() as queue:
            threading.Thread(target=_run_work, args=(work, abandoned, queue), daemon=True).start()
            try:
                result = self._wait(queue, limit, grace, spent)
            finally:
                abandoned.set()
        if result.error is not None:
            raise result.error
        return cast(T, result.value)

    def _wait(self, queue: SimpleQueue[object], limit: float | None, grace: float, spent: bool | None) -> _CallResult:
        until = self.expires_at if limit is None else min(self.expires_at, time.monotonic() + limit)
        message = _get(queue, until)
        if isinstance(message, _CallResult):
            return message
        error = self._stop_error(is_interrupted=message is _INTERRUPTED, spent=spent)
        message = _get(queue, time.monotonic() + grace) if grace else None
        if isinstance(message, _CallResult):
            return message
        raise error

    def _stop_error(self, *, is_interrupted: bool, spent: bool | None) -> ImagegenError | CallTimeout:
        if is_interrupted:
            return self.interrupt.error(spent=spent)
        if time.monotonic() >= self.expires_at:
            return DeadlineExceeded("the run's time is up", spent=spent)
        return CallTimeout()

    @contextlib.contextmanager
    def _open_queue(self) -> Iterator[SimpleQueue[object]]:
        """A queue that receives ``_INTERRUPTED`` when the interrupt is set."""
        queue: SimpleQueue[object] = SimpleQueue()
        unsubscribe = self.interrupt.on_set(lambda: queue.put(_INTERRUPTED))
        if self._ignore_earlier_stop and self.interrupt.signum is not None:
            with contextlib.suppress(Empty):
                queue.get_nowait()  # the interrupt was already set, and called back at once
        try:
            yield queue
        finally:
            unsubscribe()


def _get(queue: SimpleQueue[object], until: float) -> object:
    """The next message in the queue, or None if none arrives in time."""
    try:
        return queue.get(timeout=max(0.0, until - time.monotonic()))
    except Empty:
        return None


def _run_work(
    work: Callable[[threading.Event], T],
    abandoned: threading.Event,
    queue: SimpleQueue[object],
) -> None:
    try:
        result = _CallResult(work(abandoned))
    except Exception as error:  # noqa: BLE001 - raised again in the waiting thread
        result = _CallResult(error=error)
    queue.put(result)
