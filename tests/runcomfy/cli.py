"""A lab whose environment points at the fake RunComfy, with a token."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.runcomfy.fake_runcomfy import TOKEN, FakeRunComfy
from tests.support import checks
from tests.support.in_process import call
from tests.support.lab import Lab
from tests.support.outcome import Outcome

__all__ = ["Outcome", "Shell", "stop_after"]


class Shell(Lab):
    """Runs commands with the environment ``env``, and checks that they show neither the token nor a traceback."""

    def __init__(self, folder: Path, fake: FakeRunComfy) -> None:
        super().__init__(folder / "shell", offline=True)
        variables = {"RUNCOMFY_TOKEN": TOKEN, "RUNCOMFY_MODEL_API_BASE": fake.base, "RUNCOMFY_WEB_BASE": fake.web}
        self.env = {**self.environment, "CODEX_HOME": str(self.home / ".codex"), **variables}

    def run(  # type: ignore[override]
        self, *arguments: str, act: Callable[[subprocess.Popen[bytes]], None] | None = None
    ) -> Outcome:
        """Run the program in its own process; ``act`` does something to it meanwhile."""
        started = time.monotonic()
        with subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "codex_imagegen", *arguments], cwd=self.work, env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            if act is not None:
                act(process)
            out, err = process.communicate(timeout=60)
        return self._check(Outcome(process.returncode, out, err.decode(), time.monotonic() - started))

    def call(self, *arguments: str) -> Outcome:  # type: ignore[override]
        """Run the program in the test's process."""
        return self._check(call(*arguments, environment=self.env, folder=self.work))

    def _check(self, done: Outcome) -> Outcome:
        assert TOKEN not in done.out.decode(errors="replace") + done.err
        assert b"Traceback" not in done.out + done.err.encode()
        assert [path.name for path in self.tmp.iterdir()] == []  # neither a temporary file nor a saved traceback
        return done


def stop_after(fake: FakeRunComfy, line: str, signum: int = signal.SIGINT) -> Callable[[subprocess.Popen[bytes]], None]:
    """Send a signal once the fake received a request that begins with ``line``."""

    def act(process: subprocess.Popen[bytes]) -> None:
        checks.wait_until(lambda: any(received.startswith(line) for received in fake.lines), line)
        process.send_signal(signum)

    return act
