"""Pictures that take as long as real ones: Codex hands a code-mode script that is still running back to the model."""

from __future__ import annotations

import pytest

from codex_imagegen.demo.fake_openai import script_call, tool_arguments
from tests.support import builds, checks
from tests.support.checks import DrawsSmall, small_png

pytestmark = pytest.mark.real
CODE_MODE = [build for build in builds.BUILDS if builds.number(build) >= (0, 144)]
HANDED_BACK_SEC = {"0.144.6": 10}
"""Seconds after which a build hands a running script back, if it was not asked to wait longer; 30 on the newer ones."""
ASKS_TO_WAIT = (0, 148)
"""The first supported build that has a setting to wait where the model's script does not ask for it."""


class Slow(DrawsSmall):
    asked = 0
    """How many model calls had come when the picture was made; a closing one may follow."""

    def __init__(self, draw_sec):
        self.draw_sec = draw_sec

    def respond(self, call):
        self.calls = getattr(self, "calls", 0) + 1
        return super().respond(call)

    def draw(self, prompt):
        self.asked = self.calls
        return super().draw(prompt)


class Impatient(Slow):
    """A model that ignores its instructions: its script has no first line about time."""

    def call_tool(self, request):
        return [script_call(tool_arguments(request))]


FOX = ["--prompt", "a red fox", "--out", "fox.png"]


def assert_delivered(world, done, model_calls):
    assert (done.code, done.err) == (0, "")
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    assert world.standin.script.asked == model_calls
    checks.assert_clean(world)


@pytest.mark.ci
def test_run_of_a_long_picture_costs_one_model_call_where_the_build_has_a_setting_to_wait(lab):
    """Of all builds at once, with a script that asks for the time and one that does not."""
    started = []
    for version in CODE_MODE:
        for script in (Slow, Impatient):
            world = lab(version, script=script(HANDED_BACK_SEC.get(version, 30) + 3))
            started.append((world, world.start(*FOX)))
    for world, run in started:
        gets_no_timeout = isinstance(world.standin.script, Impatient) and builds.number(world.version) < ASKS_TO_WAIT
        assert_delivered(world, checks.finish(run, seconds=200), 2 if gets_no_timeout else 1)


HURRY = ["--codex-arg", "-c", "--codex-arg", "features.code_mode.default_exec_yield_time_ms=300"]
"""Codex hands a running script back after 0.3 s, unless it asks for more."""


@pytest.mark.every_build
def test_run_waits_for_a_script_that_codex_hands_back_to_the_model(lab):
    world = lab(script=Impatient(1.5))
    assert_delivered(world, world.call(*FOX, *HURRY), 2)


def test_run_asks_the_model_to_wait_for_its_script(lab):
    """A model that follows its instructions takes one call, whatever time the picture takes."""
    world = lab(script=Slow(1.5))
    assert_delivered(world, world.call(*FOX, *HURRY), 1)
