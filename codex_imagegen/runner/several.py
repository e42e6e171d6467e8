"""Make several pictures of one prompt, some at a time. Partial results are kept; some failures stop all of them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError, Interrupted, OutUnwritable
from codex_imagegen.request import Event, Run
from codex_imagegen.results import BackendResult, ErrorInfo, Failure, Image, Warning_
from codex_imagegen.runner import attempts
from codex_imagegen.runner.attempts import Attempts, NotStarted
from codex_imagegen.runner.pool import Pool

REQUEST_WARNINGS = {"reference-reduced"}
"""The codes of warnings that are about the request, and so the same for all its pictures."""

Draw = Callable[[int, Run], tuple[BackendResult, Image]]
"""Makes and writes the picture with an index from 0; raises the backends' errors."""


@dataclass(frozen=True, slots=True)
class SeveralResult:
    """Pictures and errors by index. ``stopped`` is the failure that stopped all, if one did."""

    pictures: dict[int, tuple[BackendResult, Image]]
    errors: dict[int, ImagegenError]
    stopped: ImagegenError | None

    @property
    def common_refusal(self) -> ImagegenError | None:
        """The error to raise where every picture was refused before anything was started."""
        if self.pictures or not all(2 <= error.exit_code <= 4 for error in self.errors.values()):
            return None
        return self.stopped or next(iter(self.errors.values()), None)

    def failures(self) -> tuple[Failure, ...]:
        """Each failure as data."""
        return tuple(Failure(index, render.error_info(error)) for index, error in self.errors.items())

    def warnings(self, names: Sequence[str]) -> tuple[Warning_, ...]:
        """The warnings of all pictures and failures, duplicates included.

        Each names the picture that it is about, by its file or, of a failure, by the name of ``names``.
        """
        named = [
            _with_name(warning, os.path.basename(image.path))
            for backend_result, image in self.pictures.values()
            for warning in backend_result.warnings
        ]
        failed = [
            _with_name(Warning_(*each), names[index]) for index, error in self.errors.items() for each in error.warnings
        ]
        return (*named, *failed)

    def summary(self, images: int) -> ErrorInfo:
        """The error of the whole request, with its cause and the number of pictures that exist (``images``)."""
        errors = list(self.errors.values())
        count = images + len(errors)
        interrupted = next((error for error in errors if isinstance(error, Interrupted)), None)
        info = render.error_info(interrupted or self.stopped or errors[0])
        if interrupted is not None:
            message, info = (
                f"interrupted; {images} of {render.plural(count, 'picture')} made",
                replace(info, hint="request only the others"),
            )
        elif self.stopped is not None:
            message = f"{info.message.rstrip('.')}; {images} of {render.plural(count, 'picture')} made"
            info = replace(info, exit_code=1, hint=self._stop_hint(self.stopped))
        else:
            numbers = [index + 1 for index in self.errors]
            message = render.partial_failure(len(errors), count, "picture", info.message, numbers=numbers)
            info = replace(info, exit_code=1)
        return replace(info, message=message, spent=self._spent())

    def _stop_hint(self, stopped: ImagegenError) -> str | None:
        """What to do first, and the commands that fetch the pictures that were made and could not be written."""
        hint = attempts.rerun_hint(stopped)
        unwritten = [error for error in self.errors.values() if isinstance(error, OutUnwritable) and error.spent]
        fetch = [command for error in unwritten if (command := (error.hint or "").partition("\n")[2])]
        if not fetch or not stopped.is_full:
            return hint
        which = "the picture that was" if len(fetch) == 1 else "the pictures that were"
        return render.join_hints(hint, "\n".join([f"fetch {which} made with:", *fetch]))

    def _spent(self) -> bool | None:
        spent = {error.spent for error in self.errors.values()}
        return True if self.pictures or True in spent else None if None in spent else False


def repeated(images: Mapping[int, Image], made: Container[int]) -> tuple[Warning_, ...]:
    """A warning for each picture that has the same bytes as one before it, if this run has ``made`` one of the two."""
    first, warnings = dict[str, int](), list[Warning_]()
    for index, image in sorted(images.items()):
        same = first.setdefault(image.sha256, index)
        if same != index and (index in made or same in made):
            name, other = (os.path.basename(each.path) for each in (image, images[same]))
            warnings.append(Warning_("same-as-another", f"{name} is the same picture as {other}, byte for byte"))
    return tuple(warnings)


def _with_name(warning: Warning_, name: str) -> Warning_:
    """The warning with the picture's name before it, unless it is about the request."""
    return warning if warning.code in REQUEST_WARNINGS else replace(warning, message=f"{name}: {warning.message}")


def make(indexes: Sequence[int], draw: Draw, run: Run, *, timeout_sec: float, workers: int) -> SeveralResult:
    """Make the pictures with these indexes, ``workers`` at once; ``timeout_sec`` is for each, from its own start."""
    shared = Attempts(run.interrupt, same_prompt=True)

    def work(index: int) -> tuple[int, tuple[BackendResult, Image] | ImagegenError]:
        numbered = _with_index(run, index)
        try:
            return index, _attempt(shared, draw, index, numbered, timeout_sec)
        except NotStarted as stopped:
            error = stopped.error
        except ImagegenError as failure:
            error = failure
        _report_failure(numbered, error)
        return index, error

    pool = Pool(indexes, work, workers=min(workers, len(indexes)), interrupt=run.interrupt)
    with closing(pool.results()) as results:
        by_index = dict(results)
    pictures = {index: result for index, result in sorted(by_index.items()) if not isinstance(result, ImagegenError)}
    errors = {index: result for index, result in by_index.items() if isinstance(result, ImagegenError)}
    for index in indexes:
        if index not in by_index:  # it was interrupted before its start
            errors[index] = attempts.not_started(run.interrupt.error())
            _report_failure(_with_index(run, index), errors[index])
    return SeveralResult(pictures, dict(sorted(errors.items())), shared.stopped)


def _attempt(shared: Attempts, draw: Draw, index: int, run: Run, timeout_sec: float) -> tuple[BackendResult, Image]:
    """Make one picture, in one attempt or several.

    All attempts share one time limit, and none begins after half of it: it would cost as much, and rarely end in time.
    """
    timed_run: list[Run] = []

    def work() -> tuple[BackendResult, Image]:
        if not timed_run:
            timed_run.append(_with_own_time(run, timeout_sec))
        return draw(index, timed_run[0])

    return shared.run(work, within_sec=timeout_sec / 2)


def _with_own_time(run: Run, timeout_sec: float) -> Run:
    """The run with its time limit from now on; its events still count from the start of the whole run."""
    now = time.monotonic()
    before = now - run.started

    def on_event(event: Event) -> None:
        run.on_event(replace(event, elapsed_sec=event.elapsed_sec + before))

    return replace(run, started=now, deadline=now + timeout_sec, on_event=on_event)


def _with_index(run: Run, index: int) -> Run:
    """The run of one picture, with its index in each event."""
    return replace(run, on_event=lambda event: run.on_event(replace(event, index=index)))


def _report_failure(run: Run, error: ImagegenError) -> None:
    info = render.error_info(error)
    elapsed = time.monotonic() - run.started
    event = Event("failed", elapsed, message=info.message, error=info)
    run.on_event(replace(event, thread_id=error.thread_id, request_id=error.request_id))
