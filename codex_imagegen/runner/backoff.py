"""How long to leave a service alone that takes no more just now."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from codex_imagegen.errors import ImagegenError

PASSING = ("rate-limited", "network")
"""What passes by itself."""

_SLICE_SEC = 0.25


@dataclass(frozen=True, slots=True)
class Backoff:
    """The pauses between tries, in seconds: each ``factor`` times the one before, give or take a quarter."""

    first_sec: float = 4.0
    factor: float = 4.0
    longest_sec: float = 60.0
    tries: int = 4

    def pauses(self, dice: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
        """One pause less than there are tries."""
        for number in range(self.tries - 1):
            yield min(self.first_sec * self.factor**number, self.longest_sec) * dice(0.75, 1.25)


def passes(error: ImagegenError) -> bool:
    """Whether to try again: a request to RunComfy only where nothing of it can have been billed."""
    return error.code in PASSING or (error.code == "runcomfy-retry" and error.spent is False)


class Gate:
    """Shut for everybody when one was told to wait, so that the others do not run into the same limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def shut(self, seconds: float) -> None:
        """Let nobody through for so long."""
        with self._lock:
            self._until = max(self._until, time.monotonic() + seconds)

    def wait(self, go_on: Callable[[], None]) -> None:
        """Wait until it is open; ``go_on`` is asked meanwhile, and may raise."""
        while True:
            go_on()
            left = self._until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _SLICE_SEC))
