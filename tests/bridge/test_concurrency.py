"""Twelve runs at once on one Codex home: each gets its own picture, and none is mixed up."""

from __future__ import annotations

import pytest

from tests.support import checks, promised
from tests.support.checks import ENDS, Small, made

pytestmark = pytest.mark.real
RUNS = 12


@ENDS
def test_twelve_runs_at_once(lab, version):
    world = lab(version, script=Small())
    prompts = [f"picture number {index}" for index in range(RUNS)]
    runs = [
        world.start("--prompt", prompt, "--out", f"{index}.png", "--json", "--timeout-sec", "120")
        for index, prompt in enumerate(prompts)
    ]
    answers = [promised.read(run.communicate(timeout=150)[0]) for run in runs]
    assert [answer["error"] for answer in answers] == [None] * RUNS
    assert [run.returncode for run in runs] == [0] * RUNS
    assert [(world.work / f"{index}.png").read_bytes() for index in range(RUNS)] == [made(prompt) for prompt in prompts]
    assert len({answer["thread_id"] for answer in answers}) == RUNS
    assert len(world.rollouts()) == RUNS
    checks.assert_clean(world)


def test_four_runs_that_want_one_name(lab):
    """One of them gets it; the others leave it alone and say so."""
    world = lab(script=Small())
    runs = [world.start("--prompt", f"picture {n}", "--out", "fox.png", "--timeout-sec", "120") for n in range(4)]
    for run in runs:
        run.communicate(timeout=150)
    assert sorted(run.returncode for run in runs) == [0, 73, 73, 73]
    assert (world.work / "fox.png").read_bytes() in [made(f"picture {n}") for n in range(4)]
    checks.assert_clean(world)


def test_runs_without_a_name_never_replace_each_other(lab):
    world = lab(script=Small())
    runs = [world.start("--prompt", f"picture {n}", "--timeout-sec", "120") for n in range(4)]
    paths = [run.communicate(timeout=150)[0].decode().strip() for run in runs]
    assert len(set(paths)) == 4
    assert [(world.work / path).read_bytes() for path in paths] == [made(f"picture {n}") for n in range(4)]
