"""Every test of these rooms: a home of its own, a stand-in that is strict, and no waiting."""

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
from tests.runcomfy.standin import TOKEN, StandIn
from tests.support import checks

POLL_SEC = job.POLL_SEC
"""The program's own: tests have a shorter one."""


def picture(size: tuple[int, int] = (8, 6), kind: str = "PNG", colour: str = "teal") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, kind)
    return buffer.getvalue()


@dataclass
class Bench:
    """One run and what it told."""

    interrupt: Interrupt = field(default_factory=Interrupt)
    events: list[Event] = field(default_factory=list)

    def run(self, seconds: float = 20.0) -> Run:
        now = time.monotonic()
        return Run(now, now + seconds, self.interrupt, self.events.append)


def when(standin: StandIn, words: str, *acts: Callable[[], object]) -> None:
    """Act, one after the other, as soon as the stand-in was asked for something with these words in it."""

    def wait() -> None:
        checks.until(lambda: any(words in line for line in standin.lines), words)
        for act in acts:
            act()

    threading.Thread(target=wait, daemon=True).start()


def request(prompt: str = "a fox", *refs: str, model: str | None = None, **image_options: object) -> Request:
    return Request(prompt, refs=refs, backend="runcomfy", model=model, image_options=ImageOptions(**image_options))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a token, and none of the user's variables."""
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
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    """The stand-in, which the environment points at; a call against the documentation fails the test."""
    with StandIn() as server:
        server.files["out.png"] = picture()
        monkeypatch.setenv("RUNCOMFY_MODEL_API_BASE", server.base)
        monkeypatch.setenv("RUNCOMFY_WEB_BASE", server.web)
        monkeypatch.setenv("RUNCOMFY_TOKEN", TOKEN)
        yield server
        assert server.faults == []


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def shell(tmp_path: Path, standin: StandIn) -> Shell:
    return Shell(tmp_path, standin)
