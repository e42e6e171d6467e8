"""One test's environment: a Codex home, a back end on loopback, a working folder, and the installed command."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path

import zstandard

from codex_imagegen.demo import sandbox as home
from codex_imagegen.demo.fake_openai import FakeOpenAI, Script
from tests.support import builds
from tests.support.history import History
from tests.support.in_process import call
from tests.support.outcome import Outcome

COMMAND = str(Path(sys.executable).parent / "codex-imagegen")

_WARM_LEAVES_OUT = ("auth.json", "config.toml", "models_cache.json", "sessions", "tmp", "*-shm")
_SLOW_PROBES = ("lsb_release", "getconf")
"""Programs that Codex starts only to name the operating system in a header; Debian's are scripts with ten forks."""


class Lab:
    """A context. ``version`` names the Codex build; ``script`` determines the back end's responses.

    ``offline``: no back end, no login, and no Codex on PATH; for tests that need only past sessions.
    ``fresh``: Codex starts for the first time in its home, on the machine as it is; see :attr:`warm_homes`.
    """

    warm_homes: Path | None = None
    """The folder of homes in which a Codex was started before; labs copy them. Set by the test run, which also shortens
    what Codex does at each start apart from drawing (reading every root certificate, asking for the system's name):
    0.30 instead of 0.42 s of processor time for each run with 0.169.0, and 0.20 instead of 0.30 s with 0.111.0. None,
    for measurements: every home is fresh, and Codex finds the machine as it is."""

    def __init__(
        self,
        folder: Path,
        version: str = builds.NEWEST,
        *,
        script: Script | None = None,
        extra_config: str = "",
        offline: bool = False,
        fresh: bool = False,
    ) -> None:
        self.folder, self.version, self.offline = folder, version, offline
        self.home, self.work, self.tmp = folder / "home", folder / "work", folder / "tmp"
        for path in (self.home, self.work, self.tmp):
            path.mkdir(parents=True, exist_ok=True)
        self.errors: list[BaseException] = []
        """Errors raised by the back end's script: mistakes of the test, which the fixture ``lab`` reports."""
        self.standin = FakeOpenAI(script, decode=_decode, on_error=self.errors.append)
        self._extra, self._fresh = extra_config, fresh

    def __enter__(self) -> Lab:
        if self.offline:
            return self
        if self._short_starts:
            self._make_starts_short()
        self.standin.__enter__()
        self.write_home()
        return self

    def __exit__(self, *_: object) -> None:
        if not self.offline:
            self.standin.__exit__()

    def write_home(self, plan: str = "plus") -> None:
        """Write Codex's configuration and a made-up login with this plan."""
        home.write_codex_home(str(self.home), self.standin.url, version=self.version, plan=plan, extra=self._extra)

    @cached_property
    def history(self) -> History:
        """Sessions written by hand into the Codex home."""
        return History(self.home)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command: nothing of the user's, and nothing that leads out of this machine."""
        base = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        own = {"TMPDIR": str(self.tmp)}
        coverage = {k: v for k, v in os.environ.items() if k.startswith("COV")}
        if self.offline:
            base |= {
                "HOME": str(self.home),
                "CODEX_HOME": str(self.home),
                "PATH": self._path_without_codex,
                "TZ": "UTC",
            }
            return {**base, **own, **coverage, "XDG_CACHE_HOME": str(self.folder / "cache")}
        if self._short_starts:
            base["PATH"] = os.pathsep.join([str(self.folder / "bin"), base["PATH"]])
            own |= {"SSL_CERT_FILE": str(root)} if (root := self.folder / "root.pem").exists() else {}
        return {**home.codex_environment(str(self.home), self.standin.url, base), **own, **coverage}

    def argv(self, *arguments: str) -> list[str]:
        """The installed command, with this build as its Codex unless the lab is offline."""
        codex = [] if self.offline else ["--codex", str(builds.codex(self.version))]
        return [COMMAND, *arguments, *codex]

    def run(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout: float = 90
    ) -> Outcome:
        """Run the installed command; see :meth:`argv`."""
        return self.run_argv(self.argv(*arguments), stdin=stdin, env=env, timeout=timeout)

    def call(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Outcome:
        """As :meth:`run`, but within the test's own process: not for tests of streams, signals or the exit."""
        return call(
            *self.argv(*arguments)[1:], stdin=stdin, environment={**self.environment, **(env or {})}, folder=self.work
        )

    def run_argv(
        self, argv: list[str], *, stdin: bytes = b"", env: Mapping[str, str] | None = None, timeout: float = 90
    ) -> Outcome:
        """Run any command in the working folder, with the lab's environment and ``env``."""
        began = time.monotonic()
        done = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=timeout, cwd=self.work,
            env={**self.environment, **(env or {})}, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr.decode(), time.monotonic() - began)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start the installed command; the caller waits for it."""
        return subprocess.Popen(
            self.argv(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=self.work, env={**self.environment, **(env or {})},
        )  # fmt: skip

    @property
    def model_calls(self) -> int:
        """How many turns of the model were requested."""
        return len(self.standin.calls_to("/responses"))

    @property
    def leftovers(self) -> list[str]:
        """What the program left in its temporary folder."""
        return sorted(name for name in os.listdir(self.tmp) if name.startswith("codex-imagegen"))

    def rollouts(self) -> list[Path]:
        """The rollouts in the Codex home, the oldest first."""
        return sorted((self.home / "sessions").rglob("rollout-*.jsonl"))

    @cached_property
    def _path_without_codex(self) -> str:
        folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
        return os.pathsep.join(name for name in folders if not os.path.exists(os.path.join(name, "codex")))

    @property
    def _short_starts(self) -> bool:
        return self.warm_homes is not None and not self._fresh

    def _make_starts_short(self) -> None:
        assert self.warm_homes is not None
        shutil.copytree(warm_home(self.version, self.warm_homes), self.home, dirs_exist_ok=True)
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        for name in _SLOW_PROBES:
            (folder / name).symlink_to(shutil.which("false") or "/bin/false")
        if certificate := _one_certificate():
            (self.folder / "root.pem").write_text(certificate)


def warm_home(version: str, folder: Path) -> Path:
    """A home in which a Codex was started once, without a prompt: it holds Codex's databases and skills.

    It holds neither login nor configuration, which each test writes, nor files that belong to one start of Codex.
    """
    codex, warm, fresh = str(builds.codex(version)), folder / version, folder / f".{version}"
    with builds.locked(folder / f"{version}.lock"):
        if not warm.exists():
            fresh.mkdir()
            home.write_codex_home(str(fresh), home.UNREACHABLE_URL, version=version)
            subprocess.run(
                [codex, "exec", "--skip-git-repo-check"], input=b"", cwd=folder, timeout=60,
                capture_output=True, check=False,
                env=home.codex_environment(str(fresh), home.UNREACHABLE_URL, {"PATH": os.environ["PATH"]}),
            )  # fmt: skip
            for name in _WARM_LEAVES_OUT:
                for path in fresh.glob(name):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            fresh.rename(warm)
    return warm


@cache
def _one_certificate() -> str:
    """One root certificate of this machine: Codex reads all of them at each start, and needs none in the tests."""
    known = ssl.create_default_context().get_ca_certs(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(known[0]) if known else ""


def _decode(body: bytes, encoding: str) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(body) if encoding == "zstd" else body
