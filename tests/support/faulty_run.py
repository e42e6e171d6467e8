"""A run of the command during which something is removed, broken or killed."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tests.support import builds, checks, in_process, patched_command, restricted
from tests.support.history import thread_of
from tests.support.lab import COMMAND, Lab
from tests.support.outcome import Outcome

PROMPT = "a red fox in the snow"
LIMIT_SEC = 90
HELD_SEC = 60


class FaultyRun:
    """One run in a lab; the picture goes to its own folder within the lab's working folder."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.script: Any = lab.standin.script
        self.folder = lab.work / "out"
        self.folder.mkdir(exist_ok=True)
        self.out = self.folder / "fox.png"
        self.model: list[str] = []
        self.pid = 0
        self.peak_kib = 0
        self._time_is_up = lab.folder / "time-is-up"

    @property
    def codex(self) -> str:
        return str(builds.codex(self.lab.version))

    def run(
        self,
        *more: str,
        out: str | None = None,
        codex: str | None = None,
        below: Sequence[str] = (),
        command: Sequence[str] = (COMMAND,),
        env: Mapping[str, str] | None = None,
        json_wanted: bool = True,
        **popen: Any,
    ) -> Outcome:
        """``codex-imagegen --prompt … --out out/fox.png --json``; ``below`` is a command line that starts it."""
        began = time.monotonic()
        line = [*below, *command, "--prompt", PROMPT, "--out", out or str(self.out), "--codex", codex or self.codex]
        child = subprocess.Popen(
            [*line, *self.model, *more, *(["--json"] if json_wanted else [])], cwd=self.lab.work,
            env={**self.lab.environment, **(env or {})},
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen},
        )  # fmt: skip
        self.pid = child.pid
        try:
            stdout, stderr = child.communicate(timeout=LIMIT_SEC)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise
        return Outcome(child.returncode, stdout or b"", (stderr or b"").decode(), time.monotonic() - began)

    def call(self, *more: str, codex: str | None = None, env: Mapping[str, str] | None = None) -> Outcome:
        """The same within the test's own process, for behavior that does not depend on a process."""
        self.pid = os.getpid()
        line = [
            "--prompt",
            PROMPT,
            "--out",
            str(self.out),
            "--codex",
            codex or self.codex,
            *self.model,
            *more,
            "--json",
        ]
        return in_process.call(*line, environment={**self.lab.environment, **(env or {})}, folder=self.lab.work)

    def run_until_time_is_up(self, *more: str, **options: Any) -> Outcome:
        """A run that times out when :meth:`end_time` is called, and not before."""
        own_clock = patched_command.argv(time_is_up=self._time_is_up)
        return self.run("--timeout-sec", "3600", *more, command=own_clock, **options)

    @property
    def end_time_command(self) -> str:
        """A shell command that makes the run time out."""
        return f": > {shlex.quote(str(self._time_is_up))}"

    def end_time(self) -> None:
        """Make the run time out."""
        self._time_is_up.touch()

    def end_time_and_hold(self) -> NoReturn:
        """The same, and never send the response that the back end is about to send."""
        self.end_time()
        threading.Event().wait(HELD_SEC)
        raise ConnectionResetError("the client no longer waits for this response")

    def hold_second_turn(self) -> None:
        """Delay the response to the model's second turn: only a run that does not wait for it ends sooner."""
        respond = self.script.respond

        def respond_once(call: Any) -> Any:
            if self.lab.model_calls > 1:
                threading.Event().wait(HELD_SEC)
            return respond(call)

        self.script.respond = respond_once

    def note_memory(self) -> None:
        """Store the peak memory of the program's process so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        self.peak_kib = int(status.partition("VmHWM:")[2].split()[0])

    def rollout(self) -> Path:
        (path,) = self.lab.rollouts()
        return path

    @property
    def thread_id(self) -> str:
        return thread_of(self.rollout())

    def await_follower(self) -> None:
        """Wait until the program has opened the rollout."""
        checks.wait_until(self._follows, "the rollout to be opened")

    def _follows(self) -> bool:
        try:
            rollout = str(self.rollout())
            return any(os.readlink(link) == rollout for link in Path(f"/proc/{self.pid}/fd").iterdir())
        except (OSError, ValueError):
            return False

    def signal_codex(self, signum: signal.Signals) -> None:
        """Send a signal to Codex's process group."""
        for group in self.groups():
            os.killpg(group, signum)

    def groups(self) -> set[int]:
        """The process groups that run in this lab's home, except the command's own."""
        found = set()
        for pid in checks.processes(self.lab, wait=False):
            with contextlib.suppress(ProcessLookupError):
                found.add(os.getpgid(pid))
        return found - {os.getpgid(0)}

    def restricted(self, *arguments: str) -> list[str]:
        """The start of a command line that restricts the command (see :mod:`tests.support.restricted`)."""
        return [sys.executable, str(restricted.__file__), *arguments, "--"]

    def wrapped_codex(self, *commands: str, real: str | None = 'exec {codex} "$@"') -> str:
        """A Codex that runs shell commands, and then the real Codex unless ``real`` is None."""
        path = self.lab.folder / "wrapped-codex"
        last = [] if real is None else [real.format(codex=shlex.quote(self.codex))]
        path.write_text("\n".join(["#!/bin/sh", *commands, *last, ""]))
        path.chmod(0o755)
        return str(path)

    def mounted(self, folder: Path, options: str) -> list[str]:
        """The start of a command line that runs with a small file system of its own at ``folder``."""
        script = f'mount -t tmpfs -o {options} tmpfs {shlex.quote(str(folder))} && exec "$@"'
        return ["unshare", "-rm", "sh", "-c", script, "sh"]
