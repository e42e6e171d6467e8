"""Pictures that take as long as real ones: Codex hands a code-mode script that is still running back to the model."""

from __future__ import annotations

import pytest

from codex_imagegen.demo.standin import arguments_of, script_call
from tests.support import builds, checks
from tests.support.checks import Small, made

pytestmark = pytest.mark.real
CODE_MODE = [variant for variant in checks.every_build() if builds.number(variant.values[0]) >= (0, 144)]
HANDED_BACK_SEC = {"0.144.6": 10}
"""Seconds after which a build hands a running script back, if it was not asked to wait longer; 30 on the newer ones."""


def long_enough(version: str) -> float:
    return HANDED_BACK_SEC.get(version, 30) + 3


class Slow(Small):
    def __init__(self, version):
        self.draw_sec = long_enough(version)


class Impatient(Slow):
    """A model that does not do as it is told: its script has no first line about time."""

    def call_tool(self, request):
        return [script_call(arguments_of(request))]


def delivered(world, *options):
    done = world.run("--prompt", "a red fox", "--out", "fox.png", *options)
    assert (done.code, done.err) == (0, "")
    assert (world.work / "fox.png").read_bytes() == made("a red fox")
    checks.assert_clean(world)
    return world.model_calls


@pytest.mark.ci
@pytest.mark.parametrize("version", CODE_MODE)
def test_run_of_a_long_picture_costs_one_model_call(lab, version):
    assert delivered(lab(version, script=Slow(version))) == 1


@pytest.mark.ci
@pytest.mark.parametrize("version", CODE_MODE)
def test_run_with_a_model_that_does_not_wait_costs_one_call_where_the_build_can_be_told(lab, version):
    expected = 1 if builds.number(version) >= (0, 148) else 2
    assert delivered(lab(version, script=Impatient(version))) == expected


def test_run_waits_for_a_script_that_codex_hands_back_to_the_model(lab):
    """As above, in a build that hands it back after 0.3 s."""
    script = Impatient(builds.NEWEST)
    script.draw_sec = 1.5
    hurry = "features.code_mode.default_exec_yield_time_ms=300"
    assert delivered(lab(script=script), "--codex-arg", "-c", "--codex-arg", hurry) == 2


def test_run_asks_the_model_to_wait_for_its_script(lab):
    """A model that does as it is told takes one call, whatever time the picture takes."""
    script = Slow(builds.NEWEST)
    script.draw_sec = 1.5
    hurry = "features.code_mode.default_exec_yield_time_ms=300"
    assert delivered(lab(script=script), "--codex-arg", "-c", "--codex-arg", hurry) == 1
