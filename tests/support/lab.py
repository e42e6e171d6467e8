"""One test's own world: a Codex home, a loopback back end, a folder to work in, and the installed command."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import zstandard

from codex_imagegen.demo import home
from codex_imagegen.demo.standin import Script, StandIn
from tests.support import builds
from tests.support.outcome import Outcome

COMMAND = str(Path(sys.executable).parent / "codex-imagegen")


class Lab:
    """A context. ``version`` names the Codex build; ``script`` is what the back end says."""

    def __init__(
        self, folder: Path, version: str = builds.NEWEST, *, script: Script | None = None, extra_config: str = ""
    ) -> None:
        self.version = version
        self.home, self.work, self.tmp = folder / "home", folder / "work", folder / "tmp"
        for path in (self.home, self.work, self.tmp):
            path.mkdir(parents=True, exist_ok=True)
        self.standin = StandIn(script, decode=_decode)
        self._extra = extra_config

    def __enter__(self) -> Lab:
        self.standin.__enter__()
        self.write_home()
        return self

    def __exit__(self, *_: object) -> None:
        self.standin.__exit__()

    def write_home(self, plan: str = "plus") -> None:
        home.make(str(self.home), self.standin.url, version=self.version, plan=plan, extra=self._extra)

    @property
    def environment(self) -> dict[str, str]:
        base = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {"TMPDIR": str(self.tmp)}
        coverage = {k: v for k, v in os.environ.items() if k.startswith("COV")}
        return {**home.environment(str(self.home), self.standin.url, base), **own, **coverage}

    def argv(self, *arguments: str) -> list[str]:
        """The installed command with this build as its Codex."""
        return [COMMAND, *arguments, "--codex", str(builds.codex(self.version))]

    def run(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout: float = 90
    ) -> Outcome:
        return self.run_argv(self.argv(*arguments), stdin=stdin, env=env, timeout=timeout)

    def run_argv(
        self, argv: list[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout: float = 90
    ) -> Outcome:
        began = time.monotonic()
        done = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=timeout, cwd=self.work,
            env={**self.environment, **(env or {})}, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr.decode(), time.monotonic() - began)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """The same, left running; the caller waits for it."""
        return subprocess.Popen(
            self.argv(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.work, env={**self.environment, **(env or {})},
        )  # fmt: skip

    @property
    def model_calls(self) -> int:
        """Turns of the model that the back end was asked for."""
        return len(self.standin.to("/responses"))

    @property
    def leftovers(self) -> list[str]:
        """What our program left in its temporary folder."""
        return sorted(name for name in os.listdir(self.tmp) if name.startswith("codex-imagegen"))

    def rollouts(self) -> list[Path]:
        return sorted((self.home / "sessions").rglob("rollout-*.jsonl"))


def _decode(body: bytes, encoding: str) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(body) if encoding == "zstd" else body
