"""A short soak; the long one is ``python -m tests.tools.soak``."""

from __future__ import annotations

import os

import pytest

from tests.tools.soak import Mixed, Soak

pytestmark = pytest.mark.real


def test_twenty_runs_four_at_a_time(lab, monkeypatch):
    script = Mixed()
    script.slow_sec = 8.0
    world = lab(script=script)
    for name in set(os.environ) - set(world.environment):
        monkeypatch.delenv(name)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    report = Soak(world, runs=20, jobs=4, seed=2).run()
    assert report.wrong == [], str(report)
    assert report.outcomes["delivered"] >= 14
    assert report.outcomes["timeout"] == report.outcomes["rate-limited"] == 2
