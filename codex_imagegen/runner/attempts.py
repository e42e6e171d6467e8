"""How a run is tried: again where its failure passes, and not at all once another's failure has ended all.

Which failures end several runs at once, and what is told of a run that was not started for it.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from codex_imagegen.errors import CodexUnavailable, ImagegenError, OutUnwritable, RunComfyAuth
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.runner import pool

T = TypeVar("T")
_Heard = Callable[[ImagegenError, bool], None]


class NotStarted(Exception):
    """Nothing was started, or not once more; ``error`` is the failure to tell."""

    def __init__(self, error: ImagegenError) -> None:
        super().__init__(error.message)
        self.error = error


def _nobody(_error: ImagegenError, _again: bool) -> None:
    """Nobody wants to hear of failures."""


def _add_cost(error: ImagegenError, last: ImagegenError | None) -> None:
    """Have an error say what the tries before it have cost as well: whoever reads it sees no other."""
    if last is not None and error.spent is not True and last.spent is not False:
        error.spent = last.spent


@dataclass(slots=True)
class Attempts:
    """What the runs of one command share: the pauses between tries, and the failure that has ended all of them.

    ``same_prompt``: the runs draw the same, and what is refused to one is refused to all.
    """

    interrupt: Interrupt
    same_prompt: bool = False
    pauses: pool.Backoff = field(default_factory=pool.Backoff)
    gate: pool.Pause = field(default_factory=pool.Pause)
    stopped: ImagegenError | None = None

    def stop(self, error: ImagegenError) -> None:
        """Start nothing more; the first failure that says so is the one that is told."""
        self.stopped = self.stopped or error

    def ends_all(self, error: ImagegenError) -> bool:
        """Whether this failure is one that ends all."""
        return error is self.stopped or ends_all(error, same_prompt=self.same_prompt)

    def make(self, work: Callable[[], T], hear: _Heard = _nobody, *, within_sec: float | None = None) -> T:
        """What ``work`` gives back, at the first try or a later one.

        ``hear`` gets each failure, and whether ``work`` is to be tried again. No later try begins more than
        ``within_sec`` after the first. Raises :class:`NotStarted`, and what the last try raised.
        """
        last: ImagegenError | None = None
        latest = math.inf
        for pause in (*self.pauses.pauses(), None):
            self._await(last, latest)
            latest = latest if last or within_sec is None else time.monotonic() + within_sec
            try:
                return work()
            except ImagegenError as error:
                again = pause is not None and pool.passes(error) and time.monotonic() + pause <= latest
                _add_cost(error, last)
                if self.ends_all(error):
                    self.stop(error)
                hear(error, again)
                if pause is None or not again:
                    raise
                last = error
                self.gate.shut(pause)
        raise AssertionError("the last try returns or raises")

    def _await(self, last: ImagegenError | None, latest: float) -> None:
        """Wait until a try may begin; raises what becomes of the run where it may not. ``last`` is how one ended."""

        def go_on() -> None:
            self.interrupt.check(spent=last.spent if last else False)
            if self.stopped is not None:  # who would wait longer waits for nothing
                raise NotStarted(not_started(self.stopped, last))

        self.gate.wait(go_on)
        go_on()
        if last is not None and time.monotonic() > latest:  # somebody else has kept the gate shut
            raise last


CODES = {"usage-limit", "not-logged-in", "tool-unavailable", "runcomfy-auth"}
"""What the next run would meet as well, beside a Codex that can't be used and a full disk."""

SAME_PROMPT = {"moderation", "refused"}
"""What the next run meets as well where it has the same prompt."""


def ends_all(error: ImagegenError, *, same_prompt: bool = False) -> bool:
    """Whether nothing more is started after this failure."""
    return (
        error.code in CODES
        or isinstance(error, CodexUnavailable)
        or error.is_full
        or (same_prompt and error.code in SAME_PROMPT)
    )


def not_started(stopped: ImagegenError, after: ImagegenError | None = None) -> ImagegenError:
    """The failure of a run that was not started since ``stopped`` had ended all: of the same kind, and nothing spent.

    ``after`` is what an earlier try of it ended with, if there was one.
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
    """What to do before the rest is started; the failure's own hint may fetch the one picture that it was about."""
    if isinstance(stopped, OutUnwritable) and stopped.is_full:
        return "make room on the disk"
    if isinstance(stopped, RunComfyAuth) and stopped.request_id:
        from codex_imagegen.runcomfy.token import SIGN_IN

        return SIGN_IN
    return stopped.hint
