"""The skill installed in a lab: its home, and its working folder as the project."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.checks import KEYS
from tests.support.inprocess import call
from tests.support.lab import Lab
from tests.support.outcome import Outcome

BELOW = "codex-imagegen/SKILL.md"


def environment(world: Lab, **more: str) -> dict[str, str]:
    """That of an agent's shell: nothing says where Codex has its home unless ``more`` does."""
    return {"HOME": str(world.home), "PATH": os.environ["PATH"], **more}


def skill(world: Lab, *arguments: str, **more: str) -> Outcome:
    """``codex-imagegen skill`` within the test's own process."""
    return call("skill", *arguments, environment=environment(world, **more), folder=world.work)


def files(world: Lab) -> set[Path]:
    """Every path below the home and the project that is no folder."""
    both = [*world.home.rglob("*"), *world.work.rglob("*")]
    return {path for path in both if path.is_symlink() or not path.is_dir()}


def assert_refused(done: Outcome, code: str = "out-exists") -> None:
    error = done.json["error"]
    assert (done.code, error["code"], error["exit_code"], error["spent"]) == (73, code, 73, False)
    assert list(done.json) == KEYS
    assert "Traceback" not in done.err
