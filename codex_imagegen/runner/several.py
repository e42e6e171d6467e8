"""Several pictures of one prompt: some at a time, what came is kept, and one failure may end all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.request import Event, Run
from codex_imagegen.results import BackendResult, ErrorInfo, Failure, Image, Warning_
from codex_imagegen.runner import attempts
from codex_imagegen.runner.attempts import Attempts, NotStarted
from codex_imagegen.runner.pool import Pool

Draw = Callable[[int, Run], tuple[BackendResult, Image]]
"""Makes the picture of that number, counted from 0, and writes it; raises what the backends raise."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended, by the pictures' numbers. ``stopped`` is the failure that ended all, if one did."""

    made: dict[int, tuple[BackendResult, Image]]
    errors: dict[int, ImagegenError]
    stopped: ImagegenError | None

    @property
    def refusal(self) -> ImagegenError | None:
        """What to raise where nothing was started at all, for the same reason each time."""
        if self.made or not all(2 <= error.exit_code <= 4 for error in self.errors.values()):
            return None
        return self.stopped or next(iter(self.errors.values()), None)

    def failures(self) -> tuple[Failure, ...]:
        """Each failure as data."""
        return tuple(Failure(index, render.error_info(error)) for index, error in self.errors.items())

    def warnings(self) -> tuple[Warning_, ...]:
        """What the failures warn of, the same of several pictures as often as it is said."""
        return tuple(Warning_(*told) for error in self.errors.values() for told in error.warnings)

    def summary(self, images: int) -> ErrorInfo:
        """The failure of all of them: what ended it, and how many of the pictures are there, which are ``images``."""
        errors = list(self.errors.values())
        count = images + len(errors)
        interrupted = next((error for error in errors if isinstance(error, Interrupted)), None)
        info = render.error_info(interrupted or self.stopped or errors[0])
        if interrupted is not None:
            message, info = f"interrupted; {images} of {count} are made", replace(info, hint="ask for the others alone")
        elif self.stopped is not None:
            message = f"{info.message.rstrip('.')}; {images} of {count} are made"
            info = replace(info, exit_code=1, hint=attempts.rerun_hint(self.stopped))
        else:
            message = render.partial_failure(len(errors), count, "picture", info.message)
            info = replace(info, exit_code=1)
        return replace(info, message=message, spent=self._spent())

    def _spent(self) -> bool | None:
        told = {error.spent for error in self.errors.values()}
        return True if self.made or True in told else None if None in told else False


def make(wanted: Sequence[int], draw: Draw, run: Run, *, timeout_sec: float, workers: int) -> Ended:
    """Make the pictures of these numbers, ``workers`` at once; each has ``timeout_sec`` from when its turn comes."""
    tries = Attempts(run.interrupt, same_prompt=True)

    def work(index: int) -> tuple[int, tuple[BackendResult, Image] | ImagegenError]:
        mine = _numbered(run, index)
        try:
            return index, _tried(tries, draw, index, mine, timeout_sec)
        except NotStarted as stopped:
            error = stopped.error
        except ImagegenError as failure:
            error = failure
        _tell(mine, error)
        return index, error

    pool = Pool(wanted, work, workers=min(workers, len(wanted)), interrupt=run.interrupt)
    with closing(pool.ends()) as ends:
        ended = dict(ends)
    made = {index: end for index, end in sorted(ended.items()) if not isinstance(end, ImagegenError)}
    errors = {index: end for index, end in ended.items() if isinstance(end, ImagegenError)}
    for index in wanted:
        if index not in ended:  # an interrupt came before its turn
            errors[index] = attempts.not_started(run.interrupt.error())
            _tell(_numbered(run, index), errors[index])
    return Ended(made, dict(sorted(errors.items())), tries.stopped)


def _tried(tries: Attempts, draw: Draw, index: int, run: Run, timeout_sec: float) -> tuple[BackendResult, Image]:
    """One of the pictures.

    Later tries are in the time of the first, and none begins when half of it is over: it would hardly end in time, and
    cost as much.
    """
    timed: list[Run] = []

    def work() -> tuple[BackendResult, Image]:
        if not timed:
            timed.append(_timed(run, timeout_sec))
        return draw(index, timed[0])

    return tries.make(work, within_sec=timeout_sec / 2)


def _timed(run: Run, timeout_sec: float) -> Run:
    """A run whose time begins now; its events go on with the time of the whole."""
    now = time.monotonic()
    before = now - run.started

    def tell(event: Event) -> None:
        run.tell(replace(event, elapsed_sec=event.elapsed_sec + before))

    return replace(run, started=now, deadline=now + timeout_sec, tell=tell)


def _numbered(run: Run, index: int) -> Run:
    """The run of one picture, whose events have its number."""
    return replace(run, tell=lambda event: run.tell(replace(event, index=index)))


def _tell(run: Run, error: ImagegenError) -> None:
    told = render.error_info(error)
    elapsed = time.monotonic() - run.started
    event = Event("failed", elapsed, message=told.message, error=told)
    run.tell(replace(event, thread_id=error.thread_id, request_id=error.request_id))
