"""Fixtures of the skill's tests."""

from __future__ import annotations

import pytest

from codex_imagegen.skill.install import read_text
from tests.skill.files import BELOW


@pytest.fixture
def world(lab):
    """A home, and a project to work in."""
    return lab(offline=True)


@pytest.fixture
def there(world):
    """The path of a skill that is installed in the folder ``skills``."""
    path = world.work / "skills" / BELOW
    path.parent.mkdir(parents=True)
    path.write_bytes(read_text())
    return path
