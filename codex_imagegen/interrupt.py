"""The cancellation flag: set once by a signal handler or another thread, and checked by every run."""

from __future__ import annotations

from collections.abc import Callable

from codex_imagegen.errors import Interrupted

SIGINT, SIGTERM = 2, 15
_VERBS = {1: "hung up", 3: "quit", SIGTERM: "terminated"}


class Interrupt:
    """A cancellation flag that calls hooks when it is set.

    ``set`` takes no lock and only calls the hooks, so it is safe in a signal handler. ``makes_pictures`` is False for
    what makes none, and whose error speaks of none.
    """

    def __init__(self, *, makes_pictures: bool = True) -> None:
        self.signum: int | None = None
        self._makes_pictures = makes_pictures
        self._hooks: list[Callable[[], None]] = []

    def set(self, signum: int = SIGINT) -> None:
        """Ask every run with this flag to clean up and end; the first signal decides the exit code."""
        if self.signum is None:
            self.signum = signum
        for hook in tuple(self._hooks):
            hook()

    def on_set(self, hook: Callable[[], None]) -> Callable[[], None]:
        """Call ``hook`` when the flag is set (at once if it is set); returns a function that removes the hook."""
        self._hooks.append(hook)
        if self.signum is not None:
            hook()
        return lambda: self._hooks.remove(hook)

    def check(self, *, spent: bool | None = False) -> None:
        """Raise :class:`Interrupted` if the flag is set."""
        if self.signum is not None:
            raise self.error(spent=spent)

    def error(self, *, spent: bool | None = False) -> Interrupted:
        """The error for the signal, with its exit code."""
        verb = _VERBS.get(self.signum or SIGINT, "interrupted")
        message, hint = (f"{verb} before a picture was made", "run it again") if self._makes_pictures else (verb, None)
        return Interrupted(message, signum=self.signum or SIGINT, hint=hint, spent=spent)
