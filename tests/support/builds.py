"""The real Codex builds, and what else comes from npm, installed once into a cache outside the repository."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

OLDEST, NEWEST = "0.111.0", "0.169.0"
BUILDS = (OLDEST, "0.118.0", "0.134.0", "0.141.0", "0.144.6", "0.149.1", "0.160.1", NEWEST)
TOO_OLD = "0.107.0"
"""The newest build known to refuse ``--enable image_generation``."""

FUNCTION_MODEL = "gpt-5.2"
"""A model without code mode, which the builds from 0.144 offer the plain function tool."""

RUN = "CODEX_IMAGEGEN_TEST_RUN"
"""The variable with the folder that the workers of one test run share."""

ends_only = False
"""Whether no other builds are to be fetched than the oldest and the newest: so it is in the default test run."""

HOME = os.path.expanduser("~")
"""The home that the test run was started with; each test has one of its own."""


def number(version: str) -> tuple[int, ...]:
    """``0.118.0`` as something that can be compared."""
    return tuple(int(part) for part in version.split("."))


def cache() -> Path:
    """Where the builds are kept: ``CODEX_IMAGEGEN_TEST_CACHE``, or the user's cache folder."""
    given = os.environ.get("CODEX_IMAGEGEN_TEST_CACHE")
    if given:
        return Path(given)
    return Path(HOME) / ".cache" / "codex-imagegen-tests"


def codex(version: str) -> Path:
    """The ``codex`` command of a build, installed if it is not there yet; see :func:`missing`."""
    if ends_only and version not in {OLDEST, NEWEST}:
        pytest.fail(
            f"only {OLDEST} and {NEWEST} are fetched by default: mark the test that asks for {version} every_build"
        )
    command = CACHE / "codex" / version / "node_modules" / ".bin" / "codex"
    if not command.exists():
        _install(f"@openai/codex@{version}", CACHE / "codex" / version)
    return command


def npm_package(name: str, version: str) -> Path:
    """The folder of another package from npm, installed in the same way."""
    if ends_only:
        pytest.fail(f"nothing but Codex is fetched by default: mark the test that asks for {name} ci")
    folder = CACHE / name / version
    if not folder.exists():
        _install(f"{name}@{version}", folder)
    return folder / "node_modules" / name


def _install(package: str, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        missing("npm is not installed")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f"{folder.name}.lock"):
        if folder.exists():
            return
        failed = _failure_file(package)
        if failed is not None and failed.exists():
            missing(failed.read_text())
        try:
            _fetch(str(npm), package, folder)
        except subprocess.SubprocessError as error:
            told = f"npm could not fetch {package}: {_reason(error)}"
            if failed is not None:
                failed.write_text(told)
            missing(told)


def _fetch(npm: str, package: str, folder: Path) -> None:
    """Install a package into its folder, which is there only when it is complete; npm's own cache is not kept.

    Whether the registry answers is asked first, and not for long: a large package may take its time.
    """
    fresh = folder.parent / f".{folder.name}-{uuid.uuid4().hex}"
    fresh.mkdir()
    cache_folder = fresh / ".npm-cache"
    common = ["--cache", str(cache_folder), "--no-update-notifier", "--fetch-retries=1", "--fetch-retry-mintimeout=500"]
    try:
        _npm(npm, "view", package, "version", "--fetch-timeout=15000", *common, limit_sec=60)
        _npm(
            npm, "install", package, "--prefix", str(fresh), "--omit=dev", "--ignore-scripts", "--no-audit",
            "--no-fund", *common, limit_sec=900,
        )  # fmt: skip
        shutil.rmtree(cache_folder, ignore_errors=True)
        fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _npm(npm: str, *arguments: str, limit_sec: float) -> None:
    subprocess.run(
        [npm, *arguments],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit_sec,
        env={**os.environ, "HOME": HOME},
    )


def _reason(error: subprocess.SubprocessError) -> str:
    """What npm says about its failure, in a few words."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {error.timeout:.0f} s"
    told = str(error.stderr) if isinstance(error, subprocess.CalledProcessError) else ""
    lines = [line.removeprefix("npm error").strip() for line in told.splitlines() if line.startswith("npm error")]
    said = [line for line in lines if line and not line.startswith(("A complete log", "errno", "syscall"))]
    return " ".join(said[:2])[:200] or str(error)


def _failure_file(package: str) -> Path | None:
    """Where the workers of a test run tell each other that a package can't be fetched: it is tried once."""
    run = os.environ.get(RUN)
    return Path(run) / package.replace("/", "_") if run else None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else is in here meanwhile: the workers of a test run share what is made once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def missing(message: str) -> None:
    """Skip the test, or the module that is being imported, for want of something on this machine; in CI, fail."""
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message, allow_module_level=True)


CACHE = cache()
