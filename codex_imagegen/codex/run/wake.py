"""The bell that a run sleeps on: rung by a pump, a file watcher, a signal handler, or nobody until the tick.

Wake-ups when the rollout grows: the only place that knows watchdog.

A wake-up and never the truth: where the system gives none (inotify at its limit, network mounts, macOS) the tick of
whoever sleeps finds what changed, in silence. On macOS watchdog is not asked at all: FSEvents tells of no append to a
file that stays open, and two observers of one folder in one process fail (watchdog#919).
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from codex_imagegen.platform import system

if TYPE_CHECKING:
    import logging


class WakeEvent:
    """Rings are remembered and merged. A SimpleQueue, since its ``put`` may interrupt itself in a signal handler."""

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wake the sleeper, now or when it next sleeps."""
        self._rings.put(None)

    def wait(self, seconds: float) -> None:
        """Sleep until somebody rings, or for so many seconds."""
        try:
            self._rings.get(timeout=max(0.0, seconds))
            while True:
                self._rings.get_nowait()
        except Empty:
            pass


class FileWatcher:
    """Rings ``wake`` whenever something in the folder changes, as far as the system tells. ``heard``: it has told."""

    def __init__(self, folder: str, wake: Callable[[], None]) -> None:
        self.heard = False
        self._wake = wake
        self._observer: Any = None
        if system.has_file_events():
            with contextlib.suppress(Exception):
                self._observer = _start(folder, self._hear)

    def _hear(self) -> None:
        self.heard = True
        self._wake()

    def close(self) -> None:
        """Stop watching; never raises and never blocks for long."""
        observer, self._observer = self._observer, None
        if observer is not None:
            with contextlib.suppress(Exception):
                observer.stop()


def _start(folder: str, wake: Callable[[], None]) -> Any:
    import logging

    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    class Bell(FileSystemEventHandler):
        def dispatch(self, event: object) -> None:  # noqa: ARG002 - whatever it was: look
            wake()

    # a library's own etiquette, which this one leaves out: nothing on stderr where the host has set up no logging
    logging.getLogger("watchdog").addHandler(_nowhere())
    logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_race)
    observer = Observer()
    observer.daemon = True
    observer.schedule(Bell(), folder, recursive=False)
    observer.start()
    return observer


@functools.cache
def _nowhere() -> logging.Handler:
    import logging

    return logging.NullHandler()


def _is_no_race(record: logging.LogRecord) -> bool:
    """Whether a message is another than the one that watchdog logs at times when a watch is closed (6.0.0)."""
    return "called when the thread is inactive" not in str(record.msg)
