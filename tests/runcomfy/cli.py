"""A lab whose environment points at the stand-in for RunComfy, with a token in it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.runcomfy.standin import TOKEN, StandIn
from tests.support import checks
from tests.support.inprocess import call
from tests.support.lab import Lab
from tests.support.outcome import Outcome

__all__ = ["Outcome", "Shell", "stop_after"]


class Shell(Lab):
    """``env`` is the environment of its commands; neither token nor traceback is seen of them."""

    def __init__(self, folder: Path, standin: StandIn) -> None:
        super().__init__(folder / "shell", offline=True)
        own = {"RUNCOMFY_TOKEN": TOKEN, "RUNCOMFY_MODEL_API_BASE": standin.base, "RUNCOMFY_WEB_BASE": standin.web}
        self.env = {**self.environment, "CODEX_HOME": str(self.home / ".codex"), **own}

    def run(  # type: ignore[override]
        self, *arguments: str, act: Callable[[subprocess.Popen[bytes]], None] | None = None
    ) -> Outcome:
        """Run the program as a process of its own; ``act`` does something to it meanwhile."""
        began = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "codex_imagegen", *arguments], cwd=self.work, env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            if act is not None:
                act(process)
            out, err = process.communicate(timeout=60)
        return self._seen(Outcome(process.returncode, out, err.decode(), time.monotonic() - began))

    def call(self, *arguments: str) -> Outcome:  # type: ignore[override]
        """The same within the test's own process."""
        return self._seen(call(*arguments, environment=self.env, folder=self.work))

    def _seen(self, done: Outcome) -> Outcome:
        assert TOKEN not in done.out.decode(errors="replace") + done.err
        assert b"Traceback" not in done.out + done.err.encode()
        assert [name.name for name in self.tmp.iterdir()] == []  # neither a temporary file nor a defect
        return done


def stop_after(standin: StandIn, line: str, signum: int = signal.SIGINT) -> Callable[[subprocess.Popen[bytes]], None]:
    """Send a signal when the stand-in has seen a request of this beginning."""

    def act(process: subprocess.Popen[bytes]) -> None:
        checks.until(lambda: any(seen.startswith(line) for seen in standin.lines), line)
        process.send_signal(signum)

    return act
