"""A Codex home without a Codex."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.lab import Lab


@pytest.fixture
def world(lab: Callable[..., Lab]) -> Lab:
    return lab(offline=True)
