"""stderr with ``--events``: JSON lines and nothing else, whoever writes there."""

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

_LAST = {"done", "error"}
_MAX_LINE = 65_536
"""Characters of a line that is no event; of a longer one its end is kept."""


class EventStream(io.TextIOBase):
    """Takes stderr's place. Events become lines as they are; all other text (a sentence for a person, Codex's words,
    a warning of Python's, the traceback of a thread) becomes lines of the kind ``message``.

    ``started`` is a reading of ``time.monotonic()`` in seconds, from which ``elapsed_sec`` counts. Nothing comes after
    the last line.
    """

    def __init__(self, stream: TextIO, started: float) -> None:
        super().__init__()
        self._stream, self._started = stream, started
        self._lock = threading.RLock()
        self._rest = ""
        self._over = False

    def put(self, event: Event) -> None:
        """Print an event, unless the last one has been told."""
        with self._lock:
            if event.stage in _LAST:
                self.write("\n" if self._rest else "")
            if not self._over:
                self._over = event.stage in _LAST
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write(self._line(event))
                    self._stream.flush()

    def write(self, text: str) -> int:
        """Take text in any cut; a whole line becomes an event."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            self._rest = self._rest[-_MAX_LINE:]
            for line in lines:
                if message := render.plain(line[-_MAX_LINE:]):
                    self.put(Event("message", index=None, message=message))
        return len(text)

    def last_words(self, event: Event) -> None:
        """Print the last event from within a signal handler, where a stream may be in use and nothing may wait."""
        if not self._over:
            with contextlib.suppress(OSError, ValueError):
                os.write(self._stream.fileno(), self._line(event).encode())

    def _line(self, event: Event) -> str:
        return render.event_json(replace(event, elapsed_sec=round(time.monotonic() - self._started, 3))) + "\n"
