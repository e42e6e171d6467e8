"""Progress on stderr: a live line or bar on a terminal, plain lines on a dumb one, else nothing.

rich is imported when something is shown for the first time; for a picture, Codex is already starting then.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from codex_imagegen import render
from codex_imagegen.cli import console

if TYPE_CHECKING:
    from codex_imagegen.batches.outcomes import Outcome
    from codex_imagegen.batches.runner import Batch
    from codex_imagegen.gallery.collect import CollectProgress
    from codex_imagegen.request import Event


_PRINTED_OTHERWISE = {"written", "failed"}
"""Stages that the path on stdout and the final error already report."""
_MAX_LINE = 65_536
"""The most bytes of a line of Codex's output that are kept; of a longer one the end."""
_STEPS = 10
"""How many lines a dumb terminal gets while sessions are read."""
_MIN_BAR_WIDTH = 60
"""Columns of a terminal in which a bar fits beside the numbers."""
_COUNT_EVERY = 97
"""Every so many numbers, one is shown: showing each of 60,000 would take longer than counting."""


class _Progress:
    """A context that stops its bar at the end."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.on_terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._is_live = self.on_terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _update(self, **values: Any) -> None:
        self._bar.update(self._bar.task_ids[0], **values)


class Progress(_Progress):
    """The progress of a request: its steps, and with ``verbose`` Codex's output. ``--events`` gets all steps, too."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._is_live = self._is_live and not verbose
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
        if not self._is_live:
            console.err(render.event_line(event))
            return
        if self._bar is None:
            self._bar = _start_spinner()
        if event.stage == "received":
            self._bar.stop()
            console.err(render.event_line(event))
        else:
            self._update(description=render.stage_text(event))

    def show_output(self, chunk: bytes) -> None:
        """Show Codex's output line by line, without control sequences."""
        with self._lock:
            *lines, partial_line = (self._partial_line + chunk).split(b"\n")
            self._partial_line = partial_line[-_MAX_LINE:]
        for line in lines:
            console.err(render.one_line(line.decode(errors="replace")))


class CountProgress(_Progress):
    """A live line with what is counted and the number so far; a dumb terminal gets nothing."""

    def __enter__(self) -> Self:
        if self._is_live:
            self._bar = _start_spinner()
        return self

    def show(self, name: str, number: int) -> None:
        """Show the number."""
        if self._bar is not None and number % _COUNT_EVERY == 1:
            self._update(description=f"{name} · {number:,}")


class ReadProgress(_Progress):
    """The progress of reading sessions: bytes, pictures, the time left; on a dumb terminal a line for each tenth."""

    _step = 0

    def show(self, progress: CollectProgress) -> None:
        """Show how much has been read."""
        if not self.on_terminal or not progress.total:
            return
        if not self._is_live:
            self._print_step(progress)
            return
        if self._bar is None:
            self._bar = _start_read_bar()
        self._update(completed=progress.done, total=progress.total, pictures=f"{progress.pictures:,}")

    def _print_step(self, progress: CollectProgress) -> None:
        step = _STEPS * progress.done // progress.total
        if step > self._step:
            self._step = step
            pictures = render.plural(progress.pictures, "picture")
            console.err(f"{render.size(progress.done)} of {render.size(progress.total)}  {pictures}")


class BatchProgress(_Progress):
    """The progress of a batch: done, running, failed, time so far and left; on a dumb terminal a line a job."""

    def __init__(self, total: int, batch: Batch, *, quiet: bool = False) -> None:
        super().__init__(quiet=quiet)
        self._total, self._batch = total, batch
        self._done = self._failed = self._attempted = 0
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        if self._is_live:
            self._bar = _start_batch_bar(self, self._total)
        return self

    @contextlib.contextmanager
    def paused(self, outcome: Outcome) -> Iterator[None]:
        """A context in which lines about this job may be printed; the job is counted."""
        self._done += 1
        self._failed += outcome.status == "failed"
        self._attempted += outcome.status in {"made", "failed"}
        if self._bar is not None:
            self._bar.stop()
        elif self.on_terminal:
            console.err(self.text())
        try:
            yield
        finally:
            if self._bar is not None:
                self._update(completed=self._done)
                self._bar.start()

    def text(self) -> str:
        """Return the numbers as text."""
        numbers = f"{self._done}/{self._total} done · {self._batch.running} running · {self._failed} failed"
        elapsed = time.monotonic() - self._started
        left = (self._total - self._done) * elapsed / self._attempted if self._attempted else None
        return f"{numbers} · {_clock(elapsed)}" + (f" · about {_clock(left)} left" if left else "")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _start_bar(*columns: Any, redirect: bool = False, **task: Any) -> Any:
    """Start a bar with one task on stderr. With ``redirect``, what is printed meanwhile appears above it."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    bar = Bar(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=redirect, redirect_stderr=redirect
    )
    bar.add_task("", **task)
    bar.start()
    return bar


def _start_spinner() -> Any:
    """Start a line with a spinner, a description and the time so far."""
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
    return _start_bar(*columns, redirect=True, total=None)


def _start_read_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

    bar = [BarColumn(20)] if Console(stderr=True).width >= _MIN_BAR_WIDTH else []
    pictures = TextColumn("{task.fields[pictures]} pictures", markup=False)
    return _start_bar(*bar, DownloadColumn(), pictures, TimeRemainingColumn(compact=True), total=None, pictures="0")


def _start_batch_bar(progress: BatchProgress, total: int) -> Any:
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn
    from rich.text import Text

    class Numbers(ProgressColumn):
        def render(self, task: Any) -> Text:  # noqa: ARG002 - the numbers are the batch's
            return Text(progress.text())

    return _start_bar(SpinnerColumn(), BarColumn(20), Numbers(), total=total)
