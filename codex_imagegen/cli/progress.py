"""What is told on stderr while a picture is made: to a person, or with ``--events`` to a program.

What a person sees on stderr while a home is read: how much of it, the pictures so far, the time left.

What a person sees on stderr while a batch is at work: done, running, failed, the time so far and the time left.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from codex_imagegen import render
from codex_imagegen.cli import console

if TYPE_CHECKING:
    from codex_imagegen.batches.results import Outcome
    from codex_imagegen.batches.runner import Batch
    from codex_imagegen.gallery.collect import CollectProgress
    from codex_imagegen.request import Event


_TOLD_ELSEWHERE = {"written", "failed"}
"""By the path on stdout, and by the last sentence."""


class Progress:
    """A context that shows events: a live line on a terminal, a line for each on a dumb one, JSON with ``--events``,
    else nothing.

    rich is imported with the first event, when Codex is already starting.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._live_line = self._terminal and not verbose and os.environ.get("TERM", "dumb") != "dumb"
        self._bar: Any = None
        self._task: Any = None
        self._words = bytearray()
        self._lock = threading.Lock()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._words:
            self.words(b"\n")

    def tell(self, event: Event) -> None:
        """Show one event."""
        console.tell(event)
        if not self._terminal or event.stage in _TOLD_ELSEWHERE:
            return
        if not self._live_line:
            console.err(render.event_line(event))
            return
        if self._bar is None:
            self._bar, self._task = live_line()
        if event.stage == "received":
            self._bar.stop()
            console.err(render.event_line(event))
        else:
            self._bar.update(self._task, description=render.stage(event))

    def words(self, chunk: bytes) -> None:
        """Show Codex's own words, line by line, with nothing in them that a terminal would obey."""
        with self._lock:
            *lines, rest = (bytes(self._words) + chunk).split(b"\n")
            self._words = bytearray(rest[-65536:])
        for line in lines:
            console.err(render.plain(line.decode(errors="replace")))


def live_line() -> tuple[Any, Any]:
    """A started line with a spinner and the time so far on stderr, and the task whose description it shows."""
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.start()
    return bar, bar.add_task("", total=None)


_STEPS = 10
"""Lines on a terminal that can't redraw one."""
_WIDE = 60
"""Columns of a terminal that has room for the bar beside the numbers."""


class ReadProgress:
    """A context that shows progress: a live bar on a terminal, a line for each tenth on a dumb one, else nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._live = self.terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._bar: Any = None
        self._step = 0

    def __enter__(self) -> ReadProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, progress: CollectProgress) -> None:
        """Show how far it is."""
        if not self.terminal or not progress.total:
            return
        if not self._live:
            self._line(progress)
            return
        if self._bar is None:
            self._bar = _read_bar()
        self._bar.update(
            self._bar.task_ids[0], completed=progress.done, total=progress.total, pictures=f"{progress.pictures:,}"
        )

    def _line(self, progress: CollectProgress) -> None:
        step = _STEPS * progress.done // progress.total
        if step > self._step:
            self._step = step
            pictures = render.plural(progress.pictures, "picture")
            console.err(f"{render.size(progress.done)} of {render.size(progress.total)}  {pictures}")


def _read_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns: list[ProgressColumn] = [
        DownloadColumn(),
        TextColumn("{task.fields[pictures]} pictures", markup=False),
        TimeRemainingColumn(compact=True),
    ]
    if console.width >= _WIDE:
        columns.insert(0, BarColumn(20))
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    bar.add_task("", total=None, pictures="0")
    bar.start()
    return bar


class BatchProgress:
    """A context that shows a batch: a live line on a terminal, a line for each job on a dumb one, else nothing."""

    def __init__(self, total: int, batch: Batch, *, quiet: bool = False) -> None:
        self._total, self._batch = total, batch
        self._ended = self._failed = self._tried = 0
        self._began = time.monotonic()
        self._terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._live = self._terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._bar: Any = None

    def __enter__(self) -> BatchProgress:
        if self._live:
            self._bar = _batch_bar(self)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    @contextlib.contextmanager
    def paused(self, outcome: Outcome) -> Iterator[None]:
        """A context in which lines may be printed; the job is counted."""
        self._ended += 1
        self._failed += outcome.status == "failed"
        self._tried += outcome.status in {"made", "failed"}
        if self._bar is not None:
            self._bar.stop()
        elif self._terminal:
            console.err(self.text())
        try:
            yield
        finally:
            if self._bar is not None:
                self._bar.update(self._bar.task_ids[0], completed=self._ended)
                self._bar.start()

    def text(self) -> str:
        """The numbers as words."""
        numbers = f"{self._ended}/{self._total} done · {self._batch.running} running · {self._failed} failed"
        elapsed = time.monotonic() - self._began
        left = (self._total - self._ended) * elapsed / self._tried if self._tried else None
        return f"{numbers} · {_clock(elapsed)}" + (f" · about {_clock(left)} left" if left else "")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _batch_bar(board: BatchProgress) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Numbers(ProgressColumn):
        def render(self, task: Any) -> Text:  # noqa: ARG002 - what is shown is the board's
            return Text(board.text())

    bar = Bar(
        SpinnerColumn(), BarColumn(20), Numbers(), console=Console(stderr=True), transient=True,
        redirect_stdout=False, redirect_stderr=False,
    )  # fmt: skip
    bar.add_task("", total=board._total)
    return bar
