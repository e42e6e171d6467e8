"""Fixtures of the tests of the Codex route."""

from __future__ import annotations

import time

import pytest


@pytest.fixture
def zone(monkeypatch):
    """A function that sets the time zone of the process for this test."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()
