"""Fixtures for every test of this folder: a home, a strict fake RunComfy, and short pauses."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event, ImageOptions, Request, Run
from codex_imagegen.runcomfy import download, job, login
from tests.runcomfy.cli import Shell
from tests.runcomfy.fake_runcomfy import REQUEST_ID, TOKEN, FakeRunComfy
from tests.support import checks

POLL_SEC = job.POLL_SEC
"""The program's own value; tests use a shorter one."""


def picture(size: tuple[int, int] = (8, 6), kind: str = "PNG", colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


@dataclass
class RunContext:
    """One run, its interrupt, and the events that it reported."""

    interrupt: Interrupt = field(default_factory=Interrupt)
    events: list[Event] = field(default_factory=list)

    def run(self, seconds: float = 20.0) -> Run:
        now = time.monotonic()
        return Run(now, now + seconds, self.interrupt, self.events.append)


def when_requested(fake: FakeRunComfy, text: str, *acts: Callable[[], object]) -> None:
    """Call ``acts`` in order, as soon as the fake received a request whose line contains ``text``."""

    def wait() -> None:
        checks.wait_until(lambda: any(text in line for line in fake.lines), text)
        for act in acts:
            act()

    threading.Thread(target=wait, daemon=True).start()


def assert_cancelled_at_the_end(fake: FakeRunComfy) -> None:
    """One cancel, and no polling after it.

    The deadline may abandon a poll that is already being sent: the fake may record that one after the cancel.
    """
    status, cancel = f"GET /v1/requests/{REQUEST_ID}/status", f"POST /v1/requests/{REQUEST_ID}/cancel"
    lines = fake.lines
    assert lines.count(cancel) == 1
    assert lines[lines.index(cancel) + 1 :] in ([], [status])


def request(prompt: str = "a fox", *refs: str, model: str | None = None, **image_options: object) -> Request:
    return Request(prompt, refs=refs, backend="runcomfy", model=model, image_options=ImageOptions(**image_options))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a token, and an environment without the user's variables."""
    for name in ("RUNCOMFY_TOKEN", "RUNCOMFY_CONFIG_DIR", "RUNCOMFY_MODEL_API_BASE", "RUNCOMFY_WEB_BASE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "CODEX_HOME"):
        monkeypatch.setenv(name, str(folder if name == "HOME" else folder / name.lower()))
    return folder


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "POLL_SEC", 0.01)
    monkeypatch.setattr(login, "POLL_SEC", 0.01)
    monkeypatch.setattr(download, "PAUSE_SEC", 0.01)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRunComfy]:
    """The fake RunComfy, which the environment points at; a call that breaks its documentation fails the test."""
    with FakeRunComfy() as server:
        server.files["out.png"] = picture()
        monkeypatch.setenv("RUNCOMFY_MODEL_API_BASE", server.base)
        monkeypatch.setenv("RUNCOMFY_WEB_BASE", server.web)
        monkeypatch.setenv("RUNCOMFY_TOKEN", TOKEN)
        yield server
        assert server.faults == []


@pytest.fixture
def context() -> RunContext:
    return RunContext()


@pytest.fixture
def shell(tmp_path: Path, fake: FakeRunComfy) -> Shell:
    return Shell(tmp_path, fake)
