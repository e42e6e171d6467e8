"""Wake-ups when the rollout grows: the only place that knows watchdog.

A wake-up and never the truth: where the system gives none (inotify at its limit, network mounts, appends on macOS)
the tick of whoever sleeps finds what changed, in silence.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable
from typing import Any


class Watch:
    """Rings ``wake`` whenever something in the folder changes, as far as the system tells."""

    def __init__(self, folder: str, wake: Callable[[], None]) -> None:
        self._observer: Any = None
        with contextlib.suppress(Exception), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._observer = _start(folder, wake)

    def close(self) -> None:
        """Stop watching; never raises and never blocks for long."""
        observer, self._observer = self._observer, None
        if observer is not None:
            with contextlib.suppress(Exception):
                observer.stop()


def _start(folder: str, wake: Callable[[], None]) -> Any:
    from watchdog.events import FileSystemEventHandler
    from watchdog.observers import Observer

    logging.getLogger("watchdog").setLevel(logging.CRITICAL)

    class Bell(FileSystemEventHandler):
        def dispatch(self, event: object) -> None:  # noqa: ARG002 - whatever it was: look
            wake()

    observer = Observer()
    observer.daemon = True
    observer.schedule(Bell(), folder, recursive=False)
    observer.start()
    return observer
