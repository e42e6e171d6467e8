"""What the tests of the skill share."""

from __future__ import annotations

import pytest

from codex_imagegen.skill.text import text
from tests.skill.worlds import BELOW, World


@pytest.fixture
def world(tmp_path):
    home, work = tmp_path / "home", tmp_path / "project"
    home.mkdir()
    work.mkdir()
    return World(home, work)


@pytest.fixture
def there(world):
    """The folder --dir, with a file in the skill's place; gives back that file's path."""
    path = world.work / "skills" / BELOW
    path.parent.mkdir(parents=True)
    path.write_bytes(text())
    return path
