"""A world that this process itself is in."""

from __future__ import annotations

import pytest

from codex_imagegen.demo.standin import Script
from tests.support.checks import Small


@pytest.fixture
def here(lab, monkeypatch):
    """``here(script)`` is a world whose environment is this process's own, and whose folder we work in."""

    def enter(script: Script | None = None):
        world = lab(script=script or Small())
        for name, value in world.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(world.work)
        return world

    return enter
