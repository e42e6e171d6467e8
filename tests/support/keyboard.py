"""A real shell on a real terminal, with simulated typing."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping
from fcntl import ioctl
from pathlib import Path
from types import TracebackType

PATIENCE_SEC = 60
"""How long a response may take before the test fails; the time itself is not tested."""

_CODES = re.compile(r"\x1b(?:\[[0-9;?=>]*[ -/]*[@-~]|\][^\x07]*(?:\x07|\x1b\\)|[()][A-Z0-9]|.)|[\x07\x0f]")


class Keyboard:
    """A context in which the shell runs on a terminal of 200 columns and receives what is typed."""

    def __init__(self, argv: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self._argv, self._environment, self._folder = argv, dict(environment), folder
        self._shown = ""

    def __enter__(self) -> Keyboard:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(self._folder)
            os.execvpe(self._argv[0], self._argv, self._environment)
        ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def type(self, keys: str) -> None:
        """Press these keys, and clear the recorded output."""
        self._shown = ""
        os.write(self._terminal, keys.encode())

    def until(self, words: str) -> str:
        """Wait until this text is shown, and return the output since the last keys."""
        end = time.monotonic() + PATIENCE_SEC
        while words not in _CODES.sub("", self._shown):
            assert time.monotonic() < end, (words, self._shown)
            if select.select([self._terminal], [], [], 0.2)[0]:
                self._shown += os.read(self._terminal, 65536).decode(errors="replace")
        return _CODES.sub("", self._shown)
