"""Every package that the program imports has a lower bound, which .ci/run tests."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.tools import lowest


def test_constraints_are_the_lower_bounds():
    script = Path(lowest.__file__)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == lowest.lowest()
    assert {line.partition("==")[0] for line in lowest.lowest()} == {
        "click", "filetype", "mcp", "Pillow", "pillow-heif", "rich", "urllib3", "watchdog",
    }  # fmt: skip
    assert "lowest.py" in (script.parents[2] / ".ci" / "run").read_text()


def test_paths_in_the_ci_script_exist():
    root = Path(lowest.__file__).parents[2]
    script = (root / ".ci" / "run").read_text()
    paths = re.findall(r"(?<![\w/-])tests/[\w./]+", script)
    assert len(paths) >= 9
    assert [path for path in paths if not (root / path).exists()] == []


def test_requirement_without_a_lower_bound_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "pyproject.toml"
    path.write_text('[project]\ndependencies = ["click"]\noptional-dependencies = {heic = [], mcp = []}\n')
    monkeypatch.setattr(lowest, "PROJECT", path)
    with pytest.raises(ValueError, match="'click' has no lower bound"):
        lowest.lowest()


@pytest.mark.parametrize("constraint", lowest.lowest())
def test_installed_version_is_not_below(constraint: str):
    name, _, least = constraint.partition("==")

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(".") if part.isdigit()]

    assert numbers(version(name)) >= numbers(least)
