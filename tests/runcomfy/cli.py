"""The installed command as an agent calls it: a process of its own, with nothing of the user's in its environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.outcome import Outcome

from .standin import TOKEN, StandIn


class Shell:
    """A folder to work in, a home, and the environment that points at the stand-in."""

    def __init__(self, folder: Path, standin: StandIn) -> None:
        self.work, self.home, tmp = folder / "work", folder / "shell-home", folder / "tmp"
        for path in (self.work, self.home, tmp):
            path.mkdir()
        self.tmp = tmp
        self.env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(self.home),
            "CODEX_HOME": str(self.home / ".codex"),
            "TMPDIR": str(tmp),
            "RUNCOMFY_TOKEN": TOKEN,
            "RUNCOMFY_MODEL_API_BASE": standin.base,
            "RUNCOMFY_WEB_BASE": standin.web,
        }

    def run(self, *args: str, act: Callable[[subprocess.Popen[bytes]], None] | None = None) -> Outcome:
        """Run ``codex-imagegen`` and give back what is to be seen of it, where no token must be."""
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "codex_imagegen", *args],
            cwd=self.work,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            if act is not None:
                act(process)
            out, err = process.communicate(timeout=60)
        outcome = Outcome(process.returncode, out, err.decode(), time.monotonic() - began)
        assert TOKEN not in out.decode(errors="replace") + outcome.err
        assert b"Traceback" not in out + err
        assert [name.name for name in self.tmp.iterdir()] == []  # neither a temporary file nor a defect
        return outcome


def stop_after(standin: StandIn, line: str, signum: int = signal.SIGINT) -> Callable[[subprocess.Popen[bytes]], None]:
    """Send a signal when the stand-in has seen a request of this beginning."""

    def act(process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 20
        while not any(seen.startswith(line) for seen in standin.lines) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signum)

    return act
