"""What is told on stderr while a picture is made: to a person, or with ``--events`` to a program."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from codex_imagegen import render
from codex_imagegen.cli import console

if TYPE_CHECKING:
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
        if event.stage == "landed":
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
