"""What a command prints on a terminal that only listens."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def printed(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> tuple[str, int]:
    """All that stdout and stderr show there, and the exit code; nobody types anything."""
    above, below = pty.openpty()
    try:
        done = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=below, stderr=below, cwd=cwd, env=dict(env))
    finally:
        os.close(below)
    shown = b""
    try:
        while chunk := os.read(above, 65536):
            shown += chunk
    except OSError:  # Linux: the other end is closed
        pass
    os.close(above)
    return shown.decode(), done.wait(60)
