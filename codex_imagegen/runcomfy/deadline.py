"""Waiting that ends at once when somebody asks to stop, and at the run's deadline at the latest.

Calls that block (name look-up, TLS, a slow answer) are made in a thread of their own, and the waiting is for
a mailbox that the thread or the interrupt fills. The mailbox is a ``SimpleQueue``, because its ``put`` may be
called from a signal handler at any moment: a handler that sets a ``threading.Event`` can meet its own lock.
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


class DeadlineExceeded(RunComfyRetry):
    """The run's deadline passed."""


class Slow(Exception):
    """One call took longer than it was given, and the run has time left."""


class _Letter:
    """What came of a call: its value, or the exception that it raised."""

    def __init__(self, value: object = None, error: Exception | None = None) -> None:
        self.value = value
        self.error = error


class Deadline:
    """How long one run waits, and who may end it.

    ``deadline`` is a reading of ``time.monotonic()`` in seconds. With ``only_anew``, a stop that was asked
    for before does not count: so a run that was stopped gets its last words in, unless it is stopped again.
    """

    def __init__(self, interrupt: Interrupt, deadline: float, *, only_anew: bool = False) -> None:
        self.interrupt = interrupt
        self.deadline = deadline
        self._only_anew = only_anew

    def check(self, *, spent: bool | None = False) -> None:
        """Raise :class:`Interrupted` or :class:`DeadlineExceeded` where it is time to end."""
        if not self._only_anew:
            self.interrupt.check(spent=spent)
        if time.monotonic() >= self.deadline:
            raise DeadlineExceeded("the run's time is up", spent=spent)

    def pause(self, seconds: float, *, spent: bool | None = None) -> None:
        """Wait that long; raises as :meth:`check` does, and as soon."""
        with self._mailbox() as mailbox:
            woken = _wait(mailbox, min(time.monotonic() + seconds, self.deadline)) is not None
        if woken:
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
        """What ``work`` gives back or raises; its thread is told by an event that nobody waits any more.

        Raises :class:`Slow` after ``limit`` seconds, and as :meth:`check` does. ``grace`` are the seconds
        that an answer is still waited for when it is time to end; the next check raises then.
        """
        self.check()
        abandoned = threading.Event()
        with self._mailbox() as mailbox:
            threading.Thread(target=_work, args=(work, abandoned, mailbox), daemon=True).start()
            try:
                letter = self._letter(mailbox, limit, grace, spent)
            finally:
                abandoned.set()
        if letter.error is not None:
            raise letter.error
        return cast(T, letter.value)

    def _letter(self, mailbox: SimpleQueue[object], limit: float | None, grace: float, spent: bool | None) -> _Letter:
        until = self.deadline if limit is None else min(self.deadline, time.monotonic() + limit)
        letter = _wait(mailbox, until)
        if isinstance(letter, _Letter):
            return letter
        stop = self._stop(woken=letter is _WOKEN, spent=spent)
        letter = _wait(mailbox, time.monotonic() + grace) if grace else None
        if isinstance(letter, _Letter):
            return letter
        raise stop

    def _stop(self, *, woken: bool, spent: bool | None) -> ImagegenError | Slow:
        if woken:
            return self.interrupt.error(spent=spent)
        if time.monotonic() >= self.deadline:
            return DeadlineExceeded("the run's time is up", spent=spent)
        return Slow()

    @contextlib.contextmanager
    def _mailbox(self) -> Iterator[SimpleQueue[object]]:
        mailbox: SimpleQueue[object] = SimpleQueue()
        forget = self.interrupt.on_set(lambda: mailbox.put(_WOKEN))
        if self._only_anew and self.interrupt.signum is not None:
            with contextlib.suppress(Empty):
                mailbox.get_nowait()  # the flag was set before, and says so at once
        try:
            yield mailbox
        finally:
            forget()


_WOKEN = object()


def _wait(mailbox: SimpleQueue[object], until: float) -> object:
    """The next thing in the mailbox, or None when there is none until then."""
    try:
        return mailbox.get(timeout=max(0.0, until - time.monotonic()))
    except Empty:
        return None


def _work(
    work: Callable[[threading.Event], T],
    abandoned: threading.Event,
    mailbox: SimpleQueue[object],
) -> None:
    try:
        letter = _Letter(work(abandoned))
    except Exception as error:  # noqa: BLE001 - it is raised again in the thread that waits
        letter = _Letter(error=error)
    mailbox.put(letter)
