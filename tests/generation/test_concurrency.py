"""Several runs at once in one Codex home: each gets its own picture."""

from __future__ import annotations

import pytest

from tests.support import builds, checks, json_output
from tests.support.checks import DrawsSmall, small_png

pytestmark = pytest.mark.real


@pytest.mark.parametrize(
    ("version", "count"),
    [
        (builds.NEWEST, 4),
        (builds.OLDEST, 2),
        *(pytest.param(version, 12, marks=pytest.mark.ci) for version in (builds.NEWEST, builds.OLDEST)),
    ],
)
def test_runs_at_once_deliver_each_its_own_picture(lab, version, count):
    world = lab(version, script=DrawsSmall())
    prompts = [f"picture number {index}" for index in range(count)]
    runs = [world.start("--prompt", prompt, "--out", f"{index}.png", "--json") for index, prompt in enumerate(prompts)]
    answers = [json_output.parse(run.communicate(timeout=150)[0]) for run in runs]
    assert [answer["error"] for answer in answers] == [None] * count
    assert [run.returncode for run in runs] == [0] * count
    assert [(world.work / f"{index}.png").read_bytes() for index in range(count)] == list(map(small_png, prompts))
    assert len({answer["thread_id"] for answer in answers}) == count
    assert len(world.rollouts()) == count
    checks.assert_clean(world)


def test_runs_at_once_that_want_one_name_leave_it_to_the_first(lab):
    """The others leave it alone and say so; those without a name never replace each other."""
    world = lab(script=DrawsSmall())
    named = [world.start("--prompt", f"picture {n}", "--out", "fox.png") for n in range(2)]
    unnamed = [world.start("--prompt", f"picture {n}") for n in range(2)]
    for run in named:
        run.communicate(timeout=150)
    assert sorted(run.returncode for run in named) == [0, 73]
    assert (world.work / "fox.png").read_bytes() in [small_png(f"picture {n}") for n in range(2)]
    paths = [run.communicate(timeout=150)[0].decode().strip() for run in unnamed]
    assert len(set(paths)) == 2
    assert [(world.work / path).read_bytes() for path in paths] == [small_png(f"picture {n}") for n in range(2)]
    checks.assert_clean(world)
