"""Progress on stderr: a line that is rewritten on a terminal, plain lines on a dumb one, else nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Self

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.status_line import terminal_columns
from codex_imagegen.errors import Interrupted
from codex_imagegen.request import STDOUT

if TYPE_CHECKING:
    from codex_imagegen.batches.outcomes import Outcome
    from codex_imagegen.batches.runner import Batch
    from codex_imagegen.gallery.collect import CollectProgress
    from codex_imagegen.request import Event, Request
    from codex_imagegen.results import Result


_PRINTED_OTHERWISE = {"written", "failed"}
"""Stages that the path on stdout and the final error already report."""
_MAX_LINE = 65_536
"""The most bytes of a line of Codex's output that are kept; of a longer one the end."""
_STEPS = 10
"""How many lines a dumb terminal gets while sessions are read."""
_COUNT_EVERY = 97
"""Every so many numbers, one is shown: showing each of 60,000 would take longer than counting."""
_LONGEST_USUAL_SEC = 87
_USUAL = f"most take 26–{_LONGEST_USUAL_SEC} s"
"""As measured with the Codex route, from the start of the program to the picture."""
_LEFT_AFTER_SEC = 90
"""From then on, the time that is left is shown instead."""
_MINUTES_FROM_SEC = 600
_ENDED = ("skipped", "recovered", "made", "failed")
"""How a picture or a job can have ended, in the order of the sum."""


class _Progress:
    """A context in which the status line is shown, where stderr is a terminal that can show it."""

    def __init__(self, *, quiet: bool = False, live: bool = True) -> None:
        self.on_terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._is_live = live and self.on_terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._started = time.monotonic()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._is_live:
            self._stack.enter_context(console.status.showing(self.line))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def line(self, columns: int) -> str:
        """Return the status line, which takes so many columns at most."""
        raise NotImplementedError

    @property
    def _elapsed_sec(self) -> float:
        return time.monotonic() - self._started


class RequestProgress(_Progress):
    """The progress of a request for one picture. With ``verbose``, Codex's output is shown instead of a status line.

    ``--events`` gets every event as well.
    """

    prints_paths = False
    """Whether the path of each picture is printed as soon as it is there."""

    def __init__(self, request: Request, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet=quiet, live=not verbose)
        self._request = request
        self._event: Event | None = None
        self._partial_line = b""
        self._lock = threading.Lock()

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        if self._partial_line:
            self.show_output(b"\n")

    def show(self, event: Event) -> None:
        """Show one event."""
        console.emit(event)
        if not self.on_terminal or event.stage in _PRINTED_OTHERWISE:
            return
        self._event = event
        if self._is_live:
            console.status.refresh()
        else:
            console.err(render.event_line(event, self._outlook(event, event.elapsed_sec)))

    def show_output(self, chunk: bytes) -> None:
        """Show Codex's output line by line, without control sequences."""
        with self._lock:
            *lines, partial_line = (self._partial_line + chunk).split(b"\n")
            self._partial_line = partial_line[-_MAX_LINE:]
        for line in lines:
            console.err(render.one_line(line.decode(errors="replace")))

    def line(self, columns: int) -> str:
        """Return the stage and the seconds so far; later also how long the run will still wait."""
        event, elapsed = self._event, int(self._elapsed_sec)
        if event is None:
            return render.cut(f"starting · {elapsed} s", columns)
        more = event.message or self._outlook(event, elapsed)
        text = f"{render.stage_name(event)} · {elapsed} s"
        whole = render.one_line(f"{text} ({more})") if more else text
        return render.cut(whole if event.message or render.width(whole) <= columns else text, columns)

    def summary(self, result: Result) -> list[str]:
        """Return a line for each picture, with the time and the cost in the last one; none if stderr is no terminal."""
        if not self.on_terminal:
            return []
        from codex_imagegen.cli import viewer

        columns = terminal_columns()
        *others, last = result.images or [None]
        lines = [viewer.picture_line(image, columns) for image in others if image is not None]
        if last is not None:
            seconds, usd = result.elapsed_sec, result.cost_usd
            lines.append(viewer.picture_line(last, columns, elapsed_sec=seconds, cost_usd=usd))
        return lines

    def _outlook(self, event: Event, elapsed_sec: float) -> str:
        """Return how long a picture usually takes, and from :data:`_LEFT_AFTER_SEC` on how much time is left."""
        limit = self._request.timeout_sec
        if elapsed_sec >= _LEFT_AFTER_SEC or limit < _LONGEST_USUAL_SEC:
            left = max(0, limit - elapsed_sec)
            amount = f"{left:.0f} s" if left < _MINUTES_FROM_SEC else f"{left // 60:.0f} min"
            return f"waits up to {amount} more"
        return _USUAL if event.stage == "drawing" and self._request.backend == "codex" else ""


class _Numbers(_Progress):
    """The numbers of several pictures: done, running, failed, time so far and left; on a dumb terminal a line for each.

    ``counts`` has how many ended in which way.
    """

    total: int
    counts: Counter[str]
    _counted_sec = 0.0

    @property
    def running(self) -> int:
        """How many are being made now."""
        raise NotImplementedError

    def count(self, status: str) -> None:
        """Count one that has ended."""
        self.counts[status] += 1
        self._counted_sec = self._elapsed_sec
        if self._is_live:
            console.status.refresh()
        elif self.on_terminal:
            console.err(self.line(terminal_columns()))

    def line(self, columns: int) -> str:
        """Return the numbers; what does not fit is left out from the end."""
        parts = self._parts()
        while len(parts) > 1 and render.width(" · ".join(parts)) > columns:
            parts.pop()
        return render.cut(" · ".join(parts), columns)

    def _parts(self) -> list[str]:
        done, failed = sum(self.counts[name] for name in _ENDED), self.counts["failed"]
        parts = [f"{done:,}/{self.total:,} done", f"{self.running} running"]
        parts += [f"{failed:,} failed"] if failed else []
        parts.append(_clock(self._elapsed_sec))
        return [*parts, f"about {_clock(left)} left"] if (left := self._left_sec()) > 0 else parts

    def _left_sec(self) -> float:
        """Return how long the rest will take at the speed until the last one that ended."""
        attempted = self.counts["made"] + self.counts["failed"]
        if not attempted:
            return 0.0
        rest = (self.total - self.counts.total()) * self._counted_sec / attempted
        return rest - (self._elapsed_sec - self._counted_sec)


class PicturesProgress(_Numbers, RequestProgress):
    """The progress of ``--count``. Unless ``paths_wanted`` is false, each path is printed when its picture is there."""

    def __init__(self, request: Request, *, quiet: bool, verbose: bool, paths_wanted: bool) -> None:
        RequestProgress.__init__(self, request, quiet=quiet, verbose=verbose)
        self.total, self.counts, self.prints_paths = request.count, Counter(), paths_wanted
        self._running: set[int | None] = set()

    @property
    def running(self) -> int:
        """How many pictures are being made now."""
        return len(self._running)

    def show(self, event: Event) -> None:
        """Count one event, in any thread; print the path of a picture."""
        console.emit(event)
        with self._lock:
            status = self._status(event) if event.stage in _PRINTED_OTHERWISE else None
            self._running.discard(event.index) if status else self._running.add(event.index)
        if status is None:
            console.status.refresh()
            return
        if self.prints_paths and event.path not in (None, STDOUT):
            console.out(console.printable(str(event.path)))
        self.count(status)

    def summary(self, result: Result) -> list[str]:
        """Return the sum on one line; none if stderr is no terminal."""
        return [sum_line(self.counts, self._elapsed_sec, result.cost_usd)] if self.on_terminal else []

    def _status(self, event: Event) -> str:
        if event.stage == "written":
            return "skipped" if event.message else "made"
        if event.error is not None and event.error.code == Interrupted.code:
            return "not finished"
        was_started = event.index in self._running or event.error is None or event.error.spent is not False
        return "failed" if was_started else "not-started"


class BatchProgress(_Numbers):
    """The progress of a batch."""

    def __init__(self, total: int, batch: Batch, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self.quiet, self.total, self.counts, self._batch = quiet, total, Counter(), batch
        self._cost_usd: float | None = None

    @property
    def running(self) -> int:
        """How many jobs are running now."""
        return self._batch.running

    def count_outcome(self, outcome: Outcome) -> None:
        """Count a job, and what it has cost."""
        if outcome.result.cost_usd is not None and outcome.status != "skipped":
            self._cost_usd = (self._cost_usd or 0.0) + outcome.result.cost_usd
        self.count(outcome.status)

    def summary(self, unended: str) -> str:
        """Return the sum on one line; ``unended`` is the word for the jobs that no outcome was counted of."""
        counts = self.counts + Counter({unended: self.total - self.counts.total()})
        return sum_line(counts, self._elapsed_sec, self._cost_usd)


class CountProgress(_Progress):
    """A status line with what is counted and the number so far; a dumb terminal gets nothing."""

    _text = ""

    def show(self, name: str, number: int) -> None:
        """Show the number."""
        if number % _COUNT_EVERY == 1:
            self._text = f"{name} · {number:,}"

    def line(self, columns: int) -> str:
        """Return the last number that was shown."""
        return render.cut(self._text, columns)


class ReadProgress(_Progress):
    """The progress of reading sessions: bytes, pictures, the time left; on a dumb terminal a line for each tenth."""

    _step = 0
    _progress: CollectProgress | None = None

    def show(self, progress: CollectProgress) -> None:
        """Show how much has been read."""
        if not self.on_terminal or not progress.total:
            return
        self._progress = progress
        step = _STEPS * progress.done // progress.total
        if not self._is_live and step > self._step:
            self._step = step
            console.err(_amount(progress))

    def line(self, columns: int) -> str:
        """Return how much has been read, and how long the rest will take at that speed."""
        progress = self._progress
        if progress is None:
            return ""
        left = (progress.total - progress.done) * self._elapsed_sec / progress.done if progress.done else 0
        return render.cut(_amount(progress) + (f"  about {_clock(left)} left" if left else ""), columns)


def print_result(
    result: Result,
    *,
    json_wanted: bool,
    show: bool = False,
    open_wanted: bool = False,
    progress: RequestProgress | None = None,
) -> int:
    """Print a result and the summary of its ``progress``, show or open its pictures, and return the exit code.

    The progress may have printed the paths already. Signals are deferred now.
    """
    console.defer_until_exit()
    if show or open_wanted:
        from codex_imagegen.cli import viewer
    if json_wanted:
        result = viewer.open_result(result) if open_wanted else result
        console.out(render.result_json(result))
    elif progress is None or not progress.prints_paths:
        console.print_paths(result.images)
    summary = progress.summary(result) if progress else []
    if show and not json_wanted:
        captions = not summary or bool(progress and progress.prints_paths)
        for drawing in viewer.draw_images(result.images, captions=captions):
            console.out(drawing) if isinstance(drawing, str) else console.warn(drawing)
    for line in summary:
        console.err(line)
    if open_wanted and not json_wanted:
        result = viewer.open_result(result)
    for warning in result.warnings:
        console.warn(warning, silent=json_wanted)
    if result.error:
        console.print_error(result.error, thread_id=result.thread_id, request_id=result.request_id)
    return 0 if result.ok else (result.error.exit_code if result.error else 1)


def of_request(request: Request, *, quiet: bool, verbose: bool, json_wanted: bool) -> RequestProgress:
    """Return the progress of a request for one picture, or for several."""
    if request.count == 1:
        return RequestProgress(request, quiet=quiet, verbose=verbose)
    return PicturesProgress(request, quiet=quiet, verbose=verbose, paths_wanted=not json_wanted)


def sum_line(counts: Counter[str], elapsed_sec: float, cost_usd: float | None) -> str:
    """How many ended in which way, in how much time, for how much: ``3 skipped, 2 made, 1 failed · 66 s · $0.08``."""
    order = (*_ENDED, "not-started", "not finished")
    numbers = [f"{counts[name]:,} {name.replace('-', ' ')}" for name in order if counts[name] > 0]
    parts = [", ".join(numbers), render.duration(elapsed_sec)]
    return " · ".join(parts if cost_usd is None else [*parts, render.cost(cost_usd)])


def _amount(progress: CollectProgress) -> str:
    pictures = render.plural(progress.pictures, "picture")
    return f"{render.size(progress.done)} of {render.size(progress.total)}  {pictures}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
