"""What a person sees on stderr while a batch is at work: done, running, failed, the time so far and the time left."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from codex_imagegen.cli import console

if TYPE_CHECKING:
    from codex_imagegen.batches.results import Outcome
    from codex_imagegen.batches.runner import Batch


class Board:
    """A context that shows a batch: a live line on a terminal, a line for each job on a dumb one, else nothing."""

    def __init__(self, total: int, batch: Batch, *, quiet: bool = False) -> None:
        self._total, self._batch = total, batch
        self._ended = self._failed = self._tried = 0
        self._began = time.monotonic()
        self._terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._live = self._terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._bar: Any = None

    def __enter__(self) -> Board:
        if self._live:
            self._bar = _bar(self)
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


def _bar(board: Board) -> Any:
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
