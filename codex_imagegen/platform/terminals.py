"""Terminals: size, modes, and reading with a timeout."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator


def open_terminal() -> int:
    """Open the terminal that controls this process; raises OSError where there is none."""
    return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)


def is_readable(descriptor: int, seconds: float) -> bool:
    """Whether there is something to read, or an end of input, within so many seconds."""
    return bool(select.select([descriptor], [], [], seconds)[0])


def is_in_foreground(descriptor: int) -> bool:
    """Whether this process is in the terminal's foreground; raises OSError if it is not a terminal."""
    return os.tcgetpgrp(descriptor) == os.getpgrp()


def window_size(descriptor: int) -> tuple[int, int, int, int]:
    """Rows, columns, width and height in pixels, 0 where the terminal does not say; raises OSError for no terminal."""
    import fcntl
    import struct
    import termios

    rows, columns, width, height = struct.unpack("4H", fcntl.ioctl(descriptor, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns, width, height


@contextlib.contextmanager
def unbuffered(descriptor: int) -> Iterator[None]:
    """A context in which input is not echoed and can be read before its line ends; raises OSError for no terminal."""
    import termios

    try:
        before, mode = termios.tcgetattr(descriptor), termios.tcgetattr(descriptor)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
        try:
            yield
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
    except termios.error as error:
        raise OSError(*error.args) from error
