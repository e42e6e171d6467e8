"""No test touches the user's real home, and none reaches beyond loopback."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import builds
from tests.support.lab import Lab

_FORGOTTEN = ("OPENAI_API_KEY", "CODEX_API_KEY", "RUNCOMFY_TOKEN", "RUNCOMFY_CONFIG_DIR", "NO_COLOR")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-build",
        action="store_true",
        default=bool(os.environ.get("CI")),
        help="run the tests of the Codex builds between the oldest and the newest, too (always on where CI is set)",
    )


def pytest_configure() -> None:
    """What the tests start must hear signals, even where we are run by nohup or in a shell's background."""
    for signum in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(signum) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
            signal.signal(signum, signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--every-build"):
        return
    between = [item for item in items if item.get_closest_marker("every_build")]
    config.hook.pytest_deselected(items=between)
    items[:] = [item for item in items if item not in set(between)]


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
def lab(tmp_path: Path) -> Iterator[Callable[..., Lab]]:
    """Makes labs: ``lab()`` with the newest build, ``lab("0.111.0", script=…)`` with another back end."""
    with ExitStack() as stack:
        count = 0

        def make(version: str = builds.NEWEST, **options: object) -> Lab:
            nonlocal count
            count += 1
            return stack.enter_context(Lab(tmp_path / f"lab{count}", version, **options))  # type: ignore[arg-type]

        yield make
