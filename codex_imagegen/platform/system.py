"""Which system this is, and what follows from that."""

from __future__ import annotations

import os
import sys

STDOUT_FILES = frozenset({"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
"""The names of standard output as a file."""


def is_windows() -> bool:
    """Whether this is Windows itself; inside WSL it is Linux."""
    return sys.platform == "win32"


def ignores_case() -> bool:
    """Whether the usual file system takes ``A.png`` for ``a.png``, as that of macOS does."""
    return sys.platform == "darwin"


def has_file_events() -> bool:
    """Whether file events are worth waiting for.

    Not on macOS: FSEvents reports no append to a file that stays open, and two observers of one folder in one process
    fail (watchdog#919).
    """
    return sys.platform != "darwin"


def name_and_machine() -> tuple[str, str]:
    """The system's name and its processor, such as ("linux", "x86_64"), in lower case."""
    system = os.uname()
    return system.sysname.lower(), system.machine.lower()
