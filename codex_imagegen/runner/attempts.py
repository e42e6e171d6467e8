"""Attempts of a run: another one after a temporary failure, and none after a failure that stops all runs."""

from __future__ import annotations

import copy
import math
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from codex_imagegen.errors import CodexUnavailable, ImagegenError, OutUnwritable, RunComfyAuth
from codex_imagegen.interrupt import Interrupt

T = TypeVar("T")
_OnFailure = Callable[[ImagegenError, bool], None]


RETRYABLE = ("rate-limited", "network")
"""Codes of temporary failures."""

STOP_CODES = {"usage-limit", "not-logged-in", "tool-unavailable", "runcomfy-auth"}
"""Codes of failures that every other run would have too; see also :func:`stops_all`."""

SAME_PROMPT_CODES = {"moderation", "refused"}
"""Codes of failures that every other run with the same prompt would have too."""

_SLICE_SEC = 0.25
"""How often a waiting worker checks for an interrupt."""


class NotStarted(Exception):
    """No attempt, or no further one, was started; ``error`` is the failure to report."""

    def __init__(self, error: ImagegenError) -> None:
        super().__init__(error.message)
        self.error = error


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


class Pause:
    """A pause of all workers when one of them hit a rate limit, so that the others do not hit it too."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def start(self, seconds: float) -> None:
        """Pause all workers for so many seconds, or until the end of a longer pause."""
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


@dataclass(slots=True)
class Attempts:
    """What the runs of one command share: their pauses, and the failure that stopped all of them.

    ``same_prompt``: the runs have one prompt, so a refusal of one stops all.
    """

    interrupt: Interrupt
    same_prompt: bool = False
    backoff: Backoff = field(default_factory=Backoff)
    pause: Pause = field(default_factory=Pause)
    stopped: ImagegenError | None = None

    def stop(self, error: ImagegenError) -> None:
        """Start nothing more. The first failure that stops all runs is the one that is reported."""
        self.stopped = self.stopped or error

    def stops_all(self, error: ImagegenError) -> bool:
        """Whether this failure stops all runs."""
        return error is self.stopped or stops_all(error, same_prompt=self.same_prompt)

    def run(
        self,
        work: Callable[[], T],
        on_failure: _OnFailure = lambda _error, _is_retried: None,
        *,
        within_sec: float | None = None,
    ) -> T:
        """Return the result of the first attempt at ``work`` that succeeds.

        ``on_failure`` is called with each failure and whether another attempt follows. No attempt begins more than
        ``within_sec`` after the first. Raises :class:`NotStarted` or the error of the last attempt.
        """
        last: ImagegenError | None = None
        latest = math.inf
        for pause in (*self.backoff.pauses(), None):
            self._wait(last, latest)
            latest = latest if last or within_sec is None else time.monotonic() + within_sec
            try:
                return work()
            except ImagegenError as error:
                is_retried = pause is not None and is_retryable(error) and time.monotonic() + pause <= latest
                _add_spent(error, last)
                if self.stops_all(error):
                    self.stop(error)
                on_failure(error, is_retried)
                if pause is None or not is_retried:
                    raise
                last = error
                self.pause.start(pause)
        raise AssertionError("the last attempt returns or raises")

    def _wait(self, last: ImagegenError | None, latest: float) -> None:
        """Wait until an attempt may begin; raises where it may not. ``last`` is the error of the attempt before."""

        def check() -> None:
            self.interrupt.check(spent=last.spent if last else False)
            if self.stopped is not None:
                raise NotStarted(not_started(self.stopped, last))

        self.pause.wait(check)
        check()
        if last is not None and time.monotonic() > latest:  # the pause of another run was longer
            raise last


def is_retryable(error: ImagegenError) -> bool:
    """Whether to try again: a RunComfy request only if it can't have been billed."""
    return error.code in RETRYABLE or (error.code == "runcomfy-retry" and error.spent is False)


def stops_all(error: ImagegenError, *, same_prompt: bool = False) -> bool:
    """Whether this failure stops all other runs."""
    return (
        error.code in STOP_CODES
        or isinstance(error, CodexUnavailable)
        or error.is_full
        or (same_prompt and error.code in SAME_PROMPT_CODES)
    )


def not_started(stopped: ImagegenError, after: ImagegenError | None = None) -> ImagegenError:
    """The error of a run that was not started because of ``stopped``: of the same kind, with nothing spent.

    ``after`` is the error of its earlier attempt, if there was one.
    """
    error = copy.copy(stopped)
    error.message = f"{'not tried again' if after else 'not started'}: {stopped.message}"
    error.args = (error.message,)
    error.spent, error.warnings = (after.spent if after else False), ()
    error.thread_id, error.codex_version, error.request_id = (
        (after.thread_id, after.codex_version, after.request_id) if after else (None, None, None)
    )
    error.hint = rerun_hint(stopped)
    return error


def rerun_hint(stopped: ImagegenError) -> str | None:
    """The hint for the runs that were not started; the failure's own hint may be about its one picture."""
    if isinstance(stopped, OutUnwritable) and stopped.is_full:
        return "free disk space"
    if isinstance(stopped, RunComfyAuth) and stopped.request_id:
        from codex_imagegen.runcomfy.token import SIGN_IN_HINT

        return SIGN_IN_HINT
    return stopped.hint


def _add_spent(error: ImagegenError, last: ImagegenError | None) -> None:
    """Include in ``spent`` what earlier attempts may have used: only the last error is reported."""
    if last is not None and error.spent is not True and last.spent is not False:
        error.spent = last.spent
