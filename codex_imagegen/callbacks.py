"""What the callback of a caller raises: it ends the run, and reaches the caller unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from codex_imagegen.errors import ImagegenError
from codex_imagegen.interrupt import SIGINT, Interrupt
from codex_imagegen.request import Event

T = TypeVar("T")
Tell = Callable[[Event], None]


class _Raised(BaseException):
    """A callback has raised. Not an Exception: the handlers on its way are for errors of the run itself."""


def heard(work: Callable[[Tell, Interrupt], T], on_event: Tell | None, interrupt: Interrupt | None) -> T:
    """What comes of ``work``, which is given what to tell its events to, and what stops it.

    It is stopped by the caller's ``interrupt``, which stays as it is otherwise, and by a callback that raises. Of
    several that raise at once, in the threads of several pictures, the first one counts, and nothing more is told.
    """
    stop, raised = Interrupt(), list[Exception]()

    def tell(event: Event) -> None:
        if on_event is None or raised:
            return
        try:
            on_event(event)
        except Exception as error:  # noqa: BLE001 - raised below
            raised.append(error)
            stop.set()
        if raised:
            raise _Raised

    unhook = interrupt.on_set(lambda: stop.set(interrupt.signum or SIGINT)) if interrupt else _nothing
    try:
        return work(tell, stop)
    except (_Raised, ImagegenError):
        if not raised:
            raise
    finally:
        unhook()
    raise raised[0]  # outside of the handler, so that the error keeps the causes that it had


def _nothing() -> None:
    """Nothing is to be undone."""
