"""Which system this is, and what follows from that."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

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


def is_wsl() -> bool:
    """Whether this is Linux inside Windows, whose programs can be started from it."""
    return sys.platform == "linux" and "microsoft" in os.uname().release.lower()


def file_openers() -> tuple[tuple[str, ...], ...]:
    """The programs that open a file in the program that the user prefers for its kind, with their first arguments.

    The first one on PATH is meant. Those of Linux need a display. (Not run on a Mac or in WSL.)
    """
    if sys.platform == "darwin":
        return (("open",),)
    return (("wslview",), ("explorer.exe",)) if is_wsl() else (("xdg-open",), ("gio", "open"))


def has_display(environment: Mapping[str, str]) -> bool:
    """Whether a program can open a window: on Linux by DISPLAY or WAYLAND_DISPLAY, elsewhere always."""
    if sys.platform != "linux" or is_wsl():
        return True
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def name_and_machine() -> tuple[str, str]:
    """The system's name and its processor, such as ("linux", "x86_64"), in lower case."""
    system = os.uname()
    return system.sysname.lower(), system.machine.lower()
