"""stderr with ``--events``: all output becomes JSON lines."""

from __future__ import annotations

import contextlib
import io
import os
import threading
import time
from dataclasses import replace
from typing import TextIO

from codex_imagegen import render
from codex_imagegen.request import Event

_FINAL_EVENTS = {"done", "error"}
_MAX_LINE = 65_536
"""The most characters of a line of text; of a longer one the end is kept."""


class EventStream(io.TextIOBase):
    """A replacement of stderr that prints events as JSON lines.

    All other text (a sentence for a person, Codex's output, a warning of Python's, the traceback of a thread) becomes
    events of the kind ``message``. Nothing is printed after the final event. ``started`` is a reading of
    ``time.monotonic()`` in seconds, from which ``elapsed_sec`` counts.
    """

    def __init__(self, stream: TextIO, started: float) -> None:
        super().__init__()
        self._stream, self._started = stream, started
        self._lock = threading.RLock()
        self._partial_line = ""
        self._is_finished = False

    def put(self, event: Event) -> None:
        """Print an event, unless the final one was printed."""
        with self._lock:
            if event.stage in _FINAL_EVENTS:
                self.write("\n" if self._partial_line else "")
            if not self._is_finished:
                self._is_finished = event.stage in _FINAL_EVENTS
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write(self._line(event))
                    self._stream.flush()

    def write(self, text: str) -> int:
        """Take text in pieces of any length; each complete line becomes an event."""
        with self._lock:
            *lines, self._partial_line = (self._partial_line + text).split("\n")
            self._partial_line = self._partial_line[-_MAX_LINE:]
            for line in lines:
                if message := render.one_line(line[-_MAX_LINE:]):
                    self.put(Event("message", index=None, message=message))
        return len(text)

    def put_from_signal_handler(self, event: Event) -> None:
        """Print the final event from a signal handler: streams may be in use, and blocking is not allowed."""
        if not self._is_finished:
            with contextlib.suppress(OSError, ValueError):
                os.write(self._stream.fileno(), self._line(event).encode())

    def _line(self, event: Event) -> str:
        return render.event_json(replace(event, elapsed_sec=round(time.monotonic() - self._started, 3))) + "\n"
