"""The real Codex builds, and other npm packages, installed once into a cache outside the repository."""

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
"""A model without code mode: builds from 0.144 on offer it the image tool as a plain function."""

RUN = "CODEX_IMAGEGEN_TEST_RUN"
"""The environment variable with the folder that the workers of one test run share."""

ends_only = False
"""Whether only the oldest and the newest build may be fetched, as in the default test run."""

HOME = os.path.expanduser("~")
"""HOME of the test run; each test has its own."""


def number(version: str) -> tuple[int, ...]:
    """``0.118.0`` as a tuple that can be compared."""
    return tuple(int(part) for part in version.split("."))


def cache() -> Path:
    """The folder of the builds: ``CODEX_IMAGEGEN_TEST_CACHE``, or one in the user's cache folder."""
    given = os.environ.get("CODEX_IMAGEGEN_TEST_CACHE")
    if given:
        return Path(given)
    return Path(HOME) / ".cache" / "codex-imagegen-tests"


def codex(version: str) -> Path:
    """The ``codex`` command of a build, which is installed if necessary; see :func:`missing`."""
    if ends_only and version not in {OLDEST, NEWEST}:
        pytest.fail(
            f"only {OLDEST} and {NEWEST} are fetched by default: mark the test that asks for {version} every_build"
        )
    command = CACHE / "codex" / version / "node_modules" / ".bin" / "codex"
    if not command.exists():
        _install(f"@openai/codex@{version}", CACHE / "codex" / version)
    return command


def npm_package(name: str, version: str) -> Path:
    """The folder of another npm package, installed in the same way."""
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
            message = f"npm could not fetch {package}: {_reason(error)}"
            if failed is not None:
                failed.write_text(message)
            missing(message)


def _fetch(npm: str, package: str, folder: Path) -> None:
    """Install a package into its folder, which exists only once it is complete; npm's own cache is not kept.

    A short request first checks that the registry answers; the installation of a large package may take long.
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
    """npm's own error message, shortened."""
    if isinstance(error, subprocess.TimeoutExpired):
        return f"it took longer than {error.timeout:.0f} s"
    stderr = str(error.stderr) if isinstance(error, subprocess.CalledProcessError) else ""
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines() if line.startswith("npm error")]
    reasons = [line for line in lines if line and not line.startswith(("A complete log", "errno", "syscall"))]
    return " ".join(reasons[:2])[:200] or str(error)


def _failure_file(package: str) -> Path | None:
    """The file by which the workers of a test run share that a package can't be fetched, so that one tries once."""
    run = os.environ.get(RUN)
    return Path(run) / package.replace("/", "_") if run else None


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A lock between the workers of a test run, which share what is made once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def missing(message: str) -> None:
    """Skip the test, or the module being imported, since something is missing on this machine; in CI, fail."""
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message, allow_module_level=True)


CACHE = cache()
