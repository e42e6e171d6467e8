"""The bell that a run sleeps on: rung by a pump, a file watcher, a signal handler, or nobody until the tick."""

from __future__ import annotations

from queue import Empty, SimpleQueue


class Wake:
    """Rings are remembered and merged. A SimpleQueue, since its ``put`` may interrupt itself in a signal handler."""

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        """Wake the sleeper, now or when it next sleeps."""
        self._rings.put(None)

    def sleep(self, seconds: float) -> None:
        """Sleep until somebody rings, or for so many seconds."""
        try:
            self._rings.get(timeout=max(0.0, seconds))
            while True:
                self._rings.get_nowait()
        except Empty:
            pass
