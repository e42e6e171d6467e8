"""What the tests of the skill share."""

from __future__ import annotations

import pytest

from codex_imagegen.skill.text import text
from tests.skill.files import BELOW


@pytest.fixture
def world(lab):
    """A home, and a project to work in."""
    return lab(offline=True)


@pytest.fixture
def there(world):
    """The folder --dir, with a file in the skill's place; gives back that file's path."""
    path = world.work / "skills" / BELOW
    path.parent.mkdir(parents=True)
    path.write_bytes(text())
    return path
