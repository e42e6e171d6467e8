"""A lab for tests in this process."""

from __future__ import annotations

import threading

import pytest

from codex_imagegen.demo.fake_openai import Script
from tests.support.checks import DrawsSmall


@pytest.fixture
def here(lab, monkeypatch):
    """``here(script)`` is a lab whose environment and working folder are those of this process."""

    def enter(script: Script | None = None):
        world = lab(script=script or DrawsSmall())
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(world.work)
        return world

    return enter


class DrawsWhenSeen(DrawsSmall):
    """Finishes no picture before the caller got the event ``drawing``; pass the events to :meth:`hear`."""

    def __init__(self):
        self.seen = threading.Event()

    def hear(self, event):
        if event.stage == "drawing":
            self.seen.set()

    def draw(self, prompt):
        self.seen.wait(60)
        return super().draw(prompt)
