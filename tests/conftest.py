"""Shared fixtures and options. No test touches the user's real home or connects beyond loopback."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from tests.support import builds
from tests.support.lab import Lab

# the same examples in every run, and no failures because the machine is slow
hypothesis.settings.register_profile(
    "same", deadline=None, derandomize=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)  # fmt: skip
hypothesis.settings.load_profile("same")

_REMOVED_VARIABLES = ("OPENAI_API_KEY", "CODEX_API_KEY", "RUNCOMFY_TOKEN", "RUNCOMFY_CONFIG_DIR", "NO_COLOR")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-build",
        action="store_true",
        help="also run what is left to CI: all Codex builds, a browser, tests that take minutes",
    )
    parser.addoption("--only-ci", action="store_true", help="run only what a run without --every-build leaves out")


def pytest_configure(config: pytest.Config) -> None:
    """Fetch only the oldest and the newest build by default, and let child processes receive signals.

    Under nohup, or in a shell's background, signals are ignored and children inherit that.
    """
    builds.ends_only = not (config.getoption("--every-build") or config.getoption("--only-ci"))
    if not _is_worker():
        os.environ[builds.RUN] = tempfile.mkdtemp(prefix="codex-imagegen-tests-")  # the workers inherit it
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(signum) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)


def pytest_unconfigure() -> None:
    """Remove the shared folder when the main process ends, after its workers."""
    if not _is_worker() and (run := os.environ.pop(builds.RUN, None)):
        shutil.rmtree(run, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report once how many tests were skipped because the real Codex is missing."""
    skipped = [r.longrepr[2] for r in terminalreporter.stats.get("skipped", []) if isinstance(r.longrepr, tuple)]
    reasons = Counter(text.removeprefix("Skipped: ") for text in skipped if text.startswith("Skipped: npm "))
    if reasons:
        (reason, _), count = reasons.most_common(1)[0], reasons.total()
        terminalreporter.write_line(f"left out: {count} tests that drive the real Codex CLI: {reason}", yellow=True)


def _is_worker() -> bool:
    return "PYTEST_XDIST_WORKER" in os.environ


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = {item for item in items if item.get_closest_marker("every_build") or item.get_closest_marker("ci")}
    if config.getoption("--only-ci"):
        left_out = set(items) - left_out
    elif config.getoption("--every-build"):
        return
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


@pytest.fixture(autouse=True, scope="session")
def warm_homes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The homes that labs copy, made once for all workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    Lab.warm_homes = (base.parent if _is_worker() else base) / "warm-homes"
    Lab.warm_homes.mkdir(exist_ok=True)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set HOME, CODEX_HOME and the XDG folders of the test's own process."""
    home = tmp_path / "own-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CODEX_HOME", str(home / ".codex"))
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    for name in _REMOVED_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes are not measured by coverage, which would import its own modules there."""
    for name in [name for name in os.environ if name.startswith("COV")]:
        monkeypatch.delenv(name)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Makes labs: ``lab()`` with the newest build, ``lab("0.111.0", script=…)`` with another back end."""
    with ExitStack() as stack:
        labs: list[Lab] = []

        def make(version: str = builds.NEWEST, **options: object) -> Lab:
            labs.append(Lab(tmp_path / f"lab{len(labs) + 1}", version, **options))  # type: ignore[arg-type]
            return stack.enter_context(labs[-1])

        yield make
        assert [error for lab in labs for error in lab.errors] == []
