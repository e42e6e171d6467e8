"""The output of a command on a terminal without input."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_on_terminal(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> tuple[str, int]:
    """Run a command on a terminal; return what stdout and stderr print there, and the exit code."""
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
