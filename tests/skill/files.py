"""Helpers for the skill in a lab: a home, and the working folder as the project."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.checks import KEYS
from tests.support.in_process import call
from tests.support.lab import Lab
from tests.support.outcome import Outcome

BELOW = "codex-imagegen/SKILL.md"


def environment(world: Lab, **more: str) -> dict[str, str]:
    """The environment of an agent's shell: without CODEX_HOME, unless ``more`` has it."""
    return {"HOME": str(world.home), "PATH": os.environ["PATH"], **more}


def skill(world: Lab, *arguments: str, **more: str) -> Outcome:
    """Run ``codex-imagegen skill`` in the test's own process."""
    return call("skill", *arguments, environment=environment(world, **more), folder=world.work)


def files(world: Lab) -> set[Path]:
    """Every path below the home and the project that is not a folder."""
    both = [*world.home.rglob("*"), *world.work.rglob("*")]
    return {path for path in both if path.is_symlink() or not path.is_dir()}


def assert_refused(done: Outcome, code: str = "out-exists") -> None:
    error = done.json["error"]
    assert (done.code, error["code"], error["exit_code"], error["spent"]) == (73, code, 73, False)
    assert list(done.json) == KEYS
    assert "Traceback" not in done.err
