"""A terminal on a pty that answers queries as real terminals do.

The answers of xterm 379, kitty 0.26.5 and tmux 3.3a were recorded; the others are taken from their documentation, from
memory, and were not observed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

OF_ITS_OWN = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes the pty the controlling terminal: the program receives what is typed there, and Ctrl-C as a signal."""

QUESTIONS = re.compile(rb"\x1b\[>q|\x1b\[16t|\x1b_Gi=31,[^\x1b]*\x1b\\|\x1b\[c")
_NAME, _CELL, _ATTRIBUTES = b"\x1b[>q", b"\x1b[16t", b"\x1b[c"


@dataclass
class Kind:
    """What a terminal answers; empty means no answer."""

    name: bytes = b""
    attributes: bytes = b"\x1b[?62;22c"
    kitty: bool = False
    cell: tuple[int, int] | None = None
    pixels: tuple[int, int] = (0, 0)
    late_sec: float = 0.0
    answers: Mapping[bytes, bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.answers = {
            _NAME: b"\x1bP>|%s\x1b\\" % self.name if self.name else b"",
            _CELL: b"\x1b[6;%d;%dt" % self.cell[::-1] if self.cell else b"",
            _ATTRIBUTES: self.attributes,
        }

    def answer(self, question: bytes) -> bytes:
        if question.startswith(b"\x1b_G"):
            return b"\x1b_Gi=31;OK\x1b\\" if self.kitty else b""
        return self.answers[question]


KITTY = Kind(b"kitty(0.26.5)", b"\x1b[?62;c", kitty=True, cell=(9, 18), pixels=(720, 720))
GHOSTTY = Kind(b"ghostty 1.2.0", kitty=True, cell=(9, 18))
WEZTERM = Kind(b"WezTerm 20240203-110809-5046fc22", b"\x1b[?65;4;6;18;22c", kitty=True, cell=(9, 18))
ITERM2 = Kind(b"iTerm2 3.5.4", b"\x1b[?64;1;2;4;6;17;18;21;22c", cell=(9, 18))
XTERM_SIXEL = Kind(b"XTerm(379)", b"\x1b[?63;1;2;4;6;9;15;16;22;28c", pixels=(644, 604))
XTERM = Kind(b"XTerm(379)", b"\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c", pixels=(644, 604))
TMUX = Kind(b"tmux 3.3a", b"\x1b[?1;2c")
APPLE = Kind(b"", b"\x1b[?1;2c")
SILENT = Kind(b"", b"")


@dataclass
class Session:
    """The result of a command: its whole output, the queries in it, and the keys that it left unread."""

    code: int
    written: bytes
    questions: list[bytes]
    left: bytes
    settings_kept: bool
    seconds: float

    @property
    def shown(self) -> bytes:
        """The output without the queries."""
        return QUESTIONS.sub(b"", self.written).replace(b"\r\n", b"\n")


def run(
    kind: Kind, argv: list[str], *, env: Mapping[str, str], columns: int = 80, rows: int = 40, typed: bytes = b"",
    reply: tuple[bytes, bytes] | None = None, cwd: str | os.PathLike[str] | None = None,
) -> Session:  # fmt: skip
    """Run a command on a terminal of this kind.

    ``typed``: keys pressed before it starts; ``reply``: an output to wait for, and the keys to press then.
    """
    above, below = pty.openpty()
    fcntl.ioctl(below, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, *kind.pixels))
    before = termios.tcgetattr(below)
    os.write(above, typed)
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-c", OF_ITS_OWN, *argv], stdin=below, stdout=below, stderr=below, env=dict(env), cwd=cwd,
        start_new_session=True,
    )  # fmt: skip
    written, answered = b"", 0
    try:
        while child.poll() is None or select.select([above], [], [], 0.1)[0]:
            if select.select([above], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):
                    written += os.read(above, 65536)
            if reply is not None and reply[0] in written:
                os.write(above, reply[1])
                reply = None
            for question in QUESTIONS.findall(written)[answered:]:
                time.sleep(kind.late_sec)
                os.write(above, kind.answer(question))
                answered += 1
            assert time.monotonic() < began + 90, written
    finally:
        child.kill()
        child.wait()
    seconds = time.monotonic() - began
    kept = termios.tcgetattr(below) == before
    left = _left(below)
    os.close(above)
    os.close(below)
    return Session(child.returncode, written, QUESTIONS.findall(written), left, kept, seconds)


def _left(below: int) -> bytes:
    """The keys that a shell would read next."""
    raw = termios.tcgetattr(below)
    raw[3] &= ~termios.ICANON
    termios.tcsetattr(below, termios.TCSANOW, raw)
    return os.read(below, 4096) if select.select([below], [], [], 0.1)[0] else b""
