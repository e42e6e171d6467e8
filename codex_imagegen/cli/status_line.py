"""The line at the bottom of the terminal that says what a command is doing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from codex_imagegen import render
from codex_imagegen.platform import processes, terminals

_TICK_SEC = 0.25
_LOCK_SEC = 0.2
"""How long a signal handler waits for a thread that writes to the terminal, which may have been stopped by Ctrl-S."""
_DEFAULT_COLUMNS = 80
_TO_END_OF_LINE, _TO_END_OF_SCREEN = "\x1b[K", "\x1b[J"


class StatusLine:
    """A line on stderr that is rewritten while a command runs; what is printed meanwhile goes above it.

    The cursor stays visible, at the beginning of the line: nothing has to be restored, however the program ends, and a
    terminal that was made narrower has wrapped the line below the cursor, where all of it is erased. While the program
    is in the background, nothing is shown.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._text: Callable[[int], str] | None = None
        self._shown = ""

    @contextlib.contextmanager
    def showing(self, text: Callable[[int], str]) -> Iterator[None]:
        """A context in which the line is shown; ``text`` returns it for a number of columns, which it must not exceed.

        It is called several times a second, in any thread.
        """
        ended = threading.Event()
        self._text = text
        threading.Thread(target=self._refresh_until, args=(ended,), daemon=True).start()
        try:
            with self._erased_while_stopped():
                yield
        finally:
            ended.set()
            with self._lock:
                self._text = None
                self._erase()

    def refresh(self) -> None:
        """Show the line as it is now, if it is shown."""
        with self._lock:
            if self._text is not None:
                self._draw(self._text)

    @contextlib.contextmanager
    def above(self) -> Iterator[None]:
        """A context in which whole lines may be printed, by one thread at a time."""
        with self._lock:
            self._erase()
            try:
                yield
            finally:
                if self._text is not None:
                    self._draw(self._text)

    def erase_from_signal_handler(self) -> None:
        """Erase the line where streams may be in use."""
        if self._shown and _is_in_foreground():
            with contextlib.suppress(OSError, ValueError, AttributeError):
                os.write(sys.stderr.fileno(), f"\r{_TO_END_OF_SCREEN}".encode())
        self._shown = ""

    def _refresh_until(self, ended: threading.Event) -> None:
        while not ended.wait(_TICK_SEC):
            self.refresh()

    def _draw(self, text: Callable[[int], str]) -> None:
        columns = terminal_columns()
        line = text(columns - 1)  # a full line would move the cursor of some terminals to the next one
        if not _is_in_foreground():
            self._shown = ""
        elif line != self._shown or render.width(line) >= columns:
            _write(f"{line}{_end(self._shown, columns)}\r")
            self._shown = line

    def _erase(self) -> None:
        if self._shown and _is_in_foreground():
            _write(f"\r{_end(self._shown, terminal_columns())}")
        self._shown = ""

    @contextlib.contextmanager
    def _erased_while_stopped(self) -> Iterator[None]:
        """A context in which Ctrl-Z erases the line before it stops the program."""

        def stop(signum: int, _frame: FrameType | None) -> None:
            is_locked = self._lock.acquire(timeout=_LOCK_SEC)
            try:
                self.erase_from_signal_handler()
                signal.signal(signum, signal.SIG_DFL)
                signal.raise_signal(signum)  # the program is stopped here until it is continued
                signal.signal(signum, stop)
            finally:
                if is_locked:
                    self._lock.release()

        suspend = processes.SUSPEND
        is_main = threading.current_thread() is threading.main_thread()
        if not suspend or not is_main or signal.getsignal(suspend) is not signal.SIG_DFL:
            yield
            return
        signal.signal(suspend, stop)
        try:
            yield
        finally:
            signal.signal(suspend, signal.SIG_DFL)


def terminal_columns() -> int:
    """The width of the terminal at stderr, or 80 where it is not known."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return terminals.window_size(sys.stderr.fileno())[1] or _DEFAULT_COLUMNS
    return _DEFAULT_COLUMNS


def _is_in_foreground() -> bool:
    """Whether the program may write to the terminal; also where the terminal at stderr does not control it."""
    try:
        return terminals.is_in_foreground(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return True


def _end(shown: str, columns: int) -> str:
    """What erases the rest of the line that was shown; a narrower terminal has wrapped it."""
    return _TO_END_OF_SCREEN if render.width(shown) >= columns else _TO_END_OF_LINE


def _write(text: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(text)
        sys.stderr.flush()
