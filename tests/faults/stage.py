"""Where a fault is brought about: a lab, a picture that is on its way, and the moment in which something happens."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from codex_imagegen.demo.standin import Call, Item, Reply, tool_of
from tests.faults import under
from tests.support import builds
from tests.support.lab import COMMAND, Lab, Outcome
from tests.support.pictures import encoded
from tests.support.scripts import Draws

PROMPT = "a red fox in the snow"
SECONDS = 40


class Meanwhile(Draws):
    """Draws a picture of ``side`` pixels; ``act`` happens when Codex has asked for it, before it gets it."""

    def __init__(self, side: int = 64) -> None:
        super().__init__()
        self.picture_made = encoded(side, "meanwhile")
        self.act: Callable[[], None] = lambda: None
        self.closing: Callable[[], None] = lambda: None
        self.went_wrong: list[BaseException] = []

    def draw(self, prompt: str) -> bytes:
        return self.picture_made

    def picture(self, call: Call) -> Reply:
        self._do(self.act)
        return super().picture(call)

    def call_tool(self, request: Item) -> list[Item]:
        if tool_of(request) == "hosted":
            self._do(self.act)
        return super().call_tool(request)

    def respond(self, call: Call) -> Reply:
        if any(str(item.get("type")).endswith("_call_output") for item in call.json.get("input", [])):
            self._do(self.closing)
        return super().respond(call)

    def _do(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:  # in a thread of the server: the test asks for it
            self.went_wrong.append(error)
            raise


class Stage:
    """One run under a fault; ``lab.standin.script`` must be a :class:`Meanwhile`."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.script: Meanwhile = lab.standin.script  # type: ignore[assignment]
        self.folder = lab.work / "out"
        self.folder.mkdir()
        self.out = self.folder / "fox.png"
        self.pid = 0
        self.peak_kib = 0

    @property
    def codex(self) -> str:
        return str(builds.codex(self.lab.version))

    def run(
        self,
        *more: str,
        out: str | None = None,
        codex: str | None = None,
        below: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        json_wanted: bool = True,
        **popen: Any,
    ) -> Outcome:
        """``codex-imagegen --prompt … --out out/fox.png --json``; ``below`` is a command that starts it."""
        began = time.monotonic()
        line = [
            *below,
            COMMAND,
            "--prompt",
            PROMPT,
            "--out",
            out or str(self.out),
            "--codex",
            codex or self.codex,
            *more,
        ]
        child = subprocess.Popen(
            line + ["--json"] * json_wanted, cwd=self.lab.work, env={**self.lab.environment, **(env or {})},
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **popen},
        )  # fmt: skip
        self.pid = child.pid
        try:
            told, complained = child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise
        return Outcome(child.returncode, told or b"", (complained or b"").decode(), time.monotonic() - began)

    def recover(self, *words: str) -> Outcome:
        return self.lab.run_argv([COMMAND, "recover", *words])

    def measure(self) -> None:
        """Note the most memory that our process has had so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        self.peak_kib = int(status.partition("VmHWM:")[2].split()[0])

    def rollout(self) -> Path:
        (path,) = self.lab.rollouts()
        return path

    def await_follower(self) -> None:
        """Wait until our process has opened the rollout."""
        for _ in range(100):
            with contextlib.suppress(OSError, ValueError):
                rollout = str(self.rollout())
                if any(os.readlink(link) == rollout for link in Path(f"/proc/{self.pid}/fd").iterdir()):
                    return
            time.sleep(0.05)
        raise TimeoutError("the rollout was not found")

    @property
    def thread_id(self) -> str:
        return self.rollout().stem[-36:]

    def signal_codex(self, signum: int) -> None:
        """Send a signal to Codex's group, which is a child's of ours."""
        for group in self.groups():
            os.killpg(group, signum)

    def groups(self) -> set[int]:
        """The process groups that live in this lab's home, but for our own."""
        mark, own = f"CODEX_HOME={self.lab.home}".encode(), {os.getpgid(0)}
        found = set()
        for name in os.listdir("/proc"):
            try:
                if name.isdecimal() and mark in Path(f"/proc/{name}/environ").read_bytes():
                    found.add(os.getpgid(int(name)))
            except OSError:
                continue
        return found - own

    def with_less(self, *arguments: str) -> list[str]:
        """The beginning of a command line that takes something away (see :mod:`tests.faults.under`)."""
        return [sys.executable, str(under.__file__), *arguments, "--"]

    def odd_codex(self, *commands: str, real: str | None = 'exec {codex} "$@"') -> str:
        """A Codex that does something odd first, and then is the real one (or not: ``real`` None)."""
        path = self.lab.tmp.parent / "odd-codex"
        last = [] if real is None else [real.format(codex=shlex.quote(self.codex))]
        path.write_text("\n".join(["#!/bin/sh", *commands, *last, ""]))
        path.chmod(0o755)
        return str(path)

    def mounted(self, folder: Path, options: str) -> list[str]:
        """The beginning of a command line that runs with a small file system of its own at ``folder``."""
        script = f'mount -t tmpfs -o {options} tmpfs {shlex.quote(str(folder))} && exec "$@"'
        return ["unshare", "-rm", "sh", "-c", script, "sh"]


def can(*command: str) -> Callable[[], str | None]:
    """Asks whether this machine lets a command succeed; the answer is the reason why not, or None."""

    def why_not() -> str | None:
        try:
            done = subprocess.run(command, capture_output=True, timeout=20, check=False)
        except OSError as error:
            return str(error)
        return None if done.returncode == 0 else f"{json.dumps(command)}: {done.stderr.decode().strip()}"

    return why_not


def linux() -> str | None:
    return None if sys.platform == "linux" else "it takes Linux's /proc"
