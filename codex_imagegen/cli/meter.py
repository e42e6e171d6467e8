"""What a person sees on stderr while a home is read: how much of it, the pictures so far, the time left."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from codex_imagegen.cli import console

if TYPE_CHECKING:
    from codex_imagegen.gallery.collect import Progress

_STEPS = 10
"""Lines on a terminal that can't redraw one."""
_WIDE = 60
"""Columns of a terminal that has room for the bar beside the numbers."""


class Meter:
    """A context that shows progress: a live bar on a terminal, a line for each tenth on a dumb one, else nothing."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.terminal = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._live = self.terminal and os.environ.get("TERM", "dumb") != "dumb"
        self._bar: Any = None
        self._step = 0

    def __enter__(self) -> Meter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, progress: Progress) -> None:
        """Show how far it is."""
        if not self.terminal or not progress.total:
            return
        if not self._live:
            self._line(progress)
            return
        if self._bar is None:
            self._bar = _bar()
        self._bar.update(
            self._bar.task_ids[0], completed=progress.done, total=progress.total, pictures=f"{progress.pictures:,}"
        )

    def _line(self, progress: Progress) -> None:
        step = _STEPS * progress.done // progress.total
        if step > self._step:
            self._step = step
            console.err(f"{progress.done / 1e9:.1f} of {progress.total / 1e9:.1f} GB  {progress.pictures:,} pictures")


def _bar() -> Any:
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
