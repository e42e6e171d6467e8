"""Being asked to stop: set once, by a signal handler or another thread, and seen by every run that goes on."""

from __future__ import annotations

from collections.abc import Callable

from codex_imagegen.errors import Interrupted

SIGINT, SIGTERM = 2, 15
_WORDS = {1: "hung up", 3: "quit", SIGTERM: "terminated"}


class Interrupt:
    """A flag that wakes whoever waits.

    ``set`` only appends to a list and calls the wakers, so that it may be called from a signal handler.
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._wakers: list[Callable[[], None]] = []

    def set(self, signum: int = SIGINT) -> None:
        """Ask every run that knows this flag to clean up and end; the first signal names the exit code."""
        if self.signum is None:
            self.signum = signum
        for wake in tuple(self._wakers):
            wake()

    def on_set(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Have ``wake`` called when the flag is set (at once, if it is); gives back what undoes it."""
        self._wakers.append(wake)
        if self.signum is not None:
            wake()
        return lambda: self._wakers.remove(wake)

    def check(self, *, spent: bool | None = False) -> None:
        """Raise :class:`Interrupted` if somebody asked to stop."""
        if self.signum is not None:
            raise self.error(spent=spent)

    def error(self, *, spent: bool | None = False) -> Interrupted:
        """The error that says what happened, with the exit code of the signal."""
        word = _WORDS.get(self.signum or SIGINT, "interrupted")
        return Interrupted(
            f"{word} before a picture was made", signum=self.signum or SIGINT, hint="run it again", spent=spent
        )
