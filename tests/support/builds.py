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
    """The ``codex`` command of a build, installed if it is not there yet; skips without npm, but fails in CI."""
    command = CACHE / "codex" / version / "node_modules" / ".bin" / "codex"
    if not command.exists():
        _install(f"@openai/codex@{version}", CACHE / "codex" / version)
    return command


def npm_package(name: str, version: str) -> Path:
    """The folder of another package from npm, installed in the same way."""
    folder = CACHE / name / version
    if not folder.exists():
        _install(f"{name}@{version}", folder)
    return folder / "node_modules" / name


def _install(package: str, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        missing(f"npm is not there to install {package}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.parent / f"{folder.name}.lock"):
        if folder.exists():
            return
        fresh = folder.parent / f".{folder.name}-{uuid.uuid4().hex}"
        fresh.mkdir()
        try:
            subprocess.run(
                [str(npm), "install", "--prefix", str(fresh), "--no-audit", "--no-fund", package],
                check=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=600,
                env={**os.environ, "HOME": HOME},
            )
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else is in here meanwhile: the workers of a test run share what is made once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def missing(message: str) -> None:
    """Something that the tests need is not on this machine: they skip, but fail in CI."""
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


CACHE = cache()
