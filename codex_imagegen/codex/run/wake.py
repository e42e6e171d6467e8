"""Wake a run before its next tick: :class:`WakeEvent`, and :class:`FileWatcher`, which reports file changes.

Only this module uses watchdog. A file event only makes the run look earlier: where the system sends none
(inotify at its limit, network mounts, macOS), the tick of the waiting run finds the change. On macOS watchdog is not
used at all: FSEvents reports no append to a file that stays open, and two observers of one folder in one process fail
(watchdog#919).
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
    """An event that output, file events and signals set, and that a run waits for; several sets wake it once.

    It is a SimpleQueue, whose ``put`` may interrupt itself in a signal handler.
    """

    def __init__(self) -> None:
        self._queue: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """End the current wait, or the next one."""
        self._queue.put(None)

    def wait(self, seconds: float) -> None:
        """Wait until the event is set, or for so many seconds, and clear it."""
        try:
            self._queue.get(timeout=max(0.0, seconds))
            while True:
                self._queue.get_nowait()
        except Empty:
            pass


class FileWatcher:
    """Calls ``on_change`` for each change in a folder that the system reports. ``has_reported``: it has done so."""

    def __init__(self, folder: str, on_change: Callable[[], None]) -> None:
        self.has_reported = False
        self._on_change = on_change
        self._observer: Any = None
        if system.has_file_events():
            with contextlib.suppress(Exception):
                self._observer = _start(folder, self._report)

    def close(self) -> None:
        """Stop watching; never raises and never blocks for long."""
        observer, self._observer = self._observer, None
        if observer is not None:
            with contextlib.suppress(Exception):
                observer.stop()

    def _report(self) -> None:
        self.has_reported = True
        self._on_change()


def _start(folder: str, on_change: Callable[[], None]) -> Any:
    import logging

    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    class AnyEvent(FileSystemEventHandler):
        def dispatch(self, event: object) -> None:  # noqa: ARG002 - any event means: read the rollout
            on_change()

    # watchdog lacks the null handler of a library: without it, it logs to stderr where the host has set up no logging
    logging.getLogger("watchdog").addHandler(_null_handler())
    logging.getLogger("watchdog.observers.inotify").addFilter(_is_not_close_race)
    observer = Observer()
    observer.daemon = True
    observer.schedule(AnyEvent(), folder, recursive=False)
    observer.start()
    return observer


@functools.cache
def _null_handler() -> logging.Handler:
    import logging

    return logging.NullHandler()


def _is_not_close_race(record: logging.LogRecord) -> bool:
    """Whether a message is not the one that watchdog sometimes logs when a watch is closed (6.0.0)."""
    return "called when the thread is inactive" not in str(record.msg)
