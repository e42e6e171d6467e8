"""No test touches the user's real home, and none reaches beyond loopback."""

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

# the same examples for everybody, and no verdict about how fast the machine is just now
hypothesis.settings.register_profile(
    "same", deadline=None, derandomize=True, database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)  # fmt: skip
hypothesis.settings.load_profile("same")

_FORGOTTEN = ("OPENAI_API_KEY", "CODEX_API_KEY", "RUNCOMFY_TOKEN", "RUNCOMFY_CONFIG_DIR", "NO_COLOR")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-build",
        action="store_true",
        help="run what is left to CI, too: the Codex builds between the ends, a browser, minutes of waiting",
    )
    parser.addoption("--only-ci", action="store_true", help="run only what is left out without --every-build")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing but the two ends is fetched by default; and what the tests start must hear signals.

    Those are ignored where we are run by nohup or in a shell's background.
    """
    builds.ends_only = not (config.getoption("--every-build") or config.getoption("--only-ci"))
    if not _is_worker():
        os.environ[builds.RUN] = tempfile.mkdtemp(prefix="codex-imagegen-tests-")  # the workers get it, too
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(signum) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)


def pytest_unconfigure() -> None:
    """The last to leave is who came first: the workers have ended."""
    if not _is_worker() and (run := os.environ.pop(builds.RUN, None)):
        shutil.rmtree(run, ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say once what was left out for want of the real Codex."""
    skipped = [r.longrepr[2] for r in terminalreporter.stats.get("skipped", []) if isinstance(r.longrepr, tuple)]
    reasons = Counter(told.removeprefix("Skipped: ") for told in skipped if told.startswith("Skipped: npm "))
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
    """The homes that labs copy: made once for all the workers of a test run."""
    base = tmp_path_factory.getbasetemp()
    Lab.warm_homes = (base.parent if _is_worker() else base) / "warm-homes"
    Lab.warm_homes.mkdir(exist_ok=True)


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME, CODEX_HOME and the XDG folders of the test's own process."""
    home = tmp_path / "own-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CODEX_HOME", str(home / ".codex"))
    for name in ("CONFIG", "CACHE", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    for name in _FORGOTTEN:
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test starts is not measured by coverage, which would import modules of its own there."""
    for name in [name for name in os.environ if name.startswith("COV")]:
        monkeypatch.delenv(name)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Makes labs: ``lab()`` with the newest build, ``lab("0.111.0", script=…)`` with another back end."""
    with ExitStack() as stack:
        made: list[Lab] = []

        def make(version: str = builds.NEWEST, **options: object) -> Lab:
            made.append(Lab(tmp_path / f"lab{len(made) + 1}", version, **options))  # type: ignore[arg-type]
            return stack.enter_context(made[-1])

        yield make
        assert [error for lab in made for error in lab.errors] == []
