"""Why there is no picture: every failure that Codex can bring about, through the installed command."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass

import pytest

from codex_imagegen.generation import NOTHING_MADE
from tests.support import builds, checks, scripts
from tests.support.checks import ENDS, Small, assert_failed, made, model_of

pytestmark = pytest.mark.real
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]
FUNCTION = (0, 144, 0)
"""From here on the image tool is a function, with an endpoint of its own; before, the back end's model runs it."""


@dataclass(frozen=True)
class Case:
    """A back end that misbehaves, and what is to come of it. ``tool``: on which kind of image tool, or None for both.

    ``slow``: Codex tries again for some seconds, so that only this one build is asked; and the oldest only with all.
    """

    script: type[scripts.Draws]
    exit_code: int
    code: str
    spent: bool | None
    tool: str | None = None
    slow: str | None = None

    def variants(self):
        for variant in checks.variants():
            version, model = variant.values
            kind = "function" if builds.number(version) >= FUNCTION else "hosted"
            if self.tool in {None, kind} and (self.slow is None or (self.slow == version and model is None)):
                late = [pytest.mark.every_build] if self.slow == builds.OLDEST else []
                name = f"{self.script.__name__}-{variant.id}"
                yield pytest.param(self, version, model, id=name, marks=[*variant.marks, *late])


CASES = [
    # the plan's limits
    Case(scripts.UsageLimit, 7, "usage-limit", False),
    Case(scripts.UsageNotIncluded, 7, "usage-limit", False),
    Case(scripts.OutOfCredits, 7, "usage-limit", False),
    Case(scripts.QuotaExceeded, 7, "usage-limit", False),
    Case(scripts.PictureLimit, 7, "usage-limit", True, tool="function"),
    Case(scripts.PictureLimit, 7, "usage-limit", None, tool="hosted", slow=builds.OLDEST),
    # too much at once
    Case(scripts.RateLimits, 7, "rate-limited", False),
    Case(scripts.RateLimitsInStream, 7, "rate-limited", False, slow=builds.OLDEST),
    Case(scripts.Overloaded, 7, "rate-limited", False),
    Case(scripts.RateLimitsPictures, 7, "rate-limited", True, tool="function"),
    Case(scripts.TooManyPictures, 7, "rate-limited", True, tool="function"),
    # safety
    Case(scripts.BlocksPrompt, 7, "moderation", None),
    Case(scripts.BlocksPicture, 7, "moderation", True, tool="function"),
    Case(scripts.BlocksPicture, 7, "moderation", None, tool="hosted", slow=builds.OLDEST),
    Case(scripts.SwallowsError, 7, "moderation", True, tool="function"),
    # what the model does
    Case(scripts.Refuses, 7, "refused", True),
    Case(scripts.SaysNothing, 7, "no-picture", True),
    Case(scripts.CallsToolThatIsNotOffered, 7, "tool-unavailable", True, tool="hosted"),
    # what the tool gives
    Case(scripts.RejectsPictureRequest, 7, "generation-failed", True, tool="function"),
    Case(scripts.NoPictures, 7, "generation-failed", True),
    Case(scripts.NoJson, 7, "generation-failed", True, tool="function"),
    Case(scripts.PictureServerErrors, 7, "generation-failed", True, tool="function", slow=builds.NEWEST),
    Case(scripts.NoBase64, 7, "damaged-picture", True),
    Case(scripts.TearsPictures, 7, "damaged-picture", True),
    Case(scripts.TearsBase64, 7, "damaged-picture", True),
    Case(scripts.BlankPicture, 7, "no-picture", True),
    # login
    Case(scripts.TokenRefused, 5, "not-logged-in", False),
    Case(scripts.PictureTokenRefused, 5, "not-logged-in", True, tool="function"),
    # the rest
    Case(scripts.UnknownModel, 5, "codex-failed", False),
    Case(scripts.CutsStream, 5, "network", None, slow=builds.NEWEST),
    Case(scripts.ClosesPictureConnections, 5, "network", True, tool="function", slow=builds.NEWEST),
]


@pytest.mark.parametrize(("case", "version", "model"), [variant for case in CASES for variant in case.variants()])
def test_a_back_end_that_fails(lab, case, version, model):
    world = lab(version, script=case.script())
    done = world.run(*FOX, *model_of(model))
    answer = assert_failed(world, done, case.exit_code, case.code, spent=case.spent)
    assert answer["codex_version"] == version
    assert answer["thread_id"] in world.rollouts()[0].name
    fetches = f"codex-imagegen recover {answer['thread_id']}" in answer["error"]["hint"]
    assert fetches == (case.code not in NOTHING_MADE)


# When a limit ends


@ENDS
def test_when_the_limit_ends_to_the_minute(lab, version):
    script = scripts.UsageLimit(resets_in=2 * scripts.HOUR_SEC)
    world = lab(version, script=script)
    done = world.run(*FOX, env={"TZ": "Asia/Kolkata"})
    answer = assert_failed(world, done, 7, "usage-limit")
    assert 0 <= script.resets_at - answer["error"]["resets_at"] < 60


@ENDS
def test_when_the_limit_ends_some_days_ahead(lab, version):
    script = scripts.UsageLimit(resets_in=3 * 24 * scripts.HOUR_SEC)
    world = lab(version, script=script)
    answer = assert_failed(world, world.run(*FOX, env={"TZ": "America/New_York"}), 7, "usage-limit")
    assert 0 <= script.resets_at - answer["error"]["resets_at"] < 60


@ENDS
def test_when_the_limit_ends_to_the_second(lab, version):
    script = scripts.UsageLimit(headers=True)
    world = lab(version, script=script)
    answer = assert_failed(world, world.run(*FOX), 7, "usage-limit")
    assert answer["error"]["resets_at"] == script.resets_at


def test_when_the_limit_of_pictures_ends(lab):
    script = scripts.PictureLimit()
    world = lab(script=script)
    answer = assert_failed(world, world.run(*FOX), 7, "usage-limit", spent=True)
    assert answer["error"]["resets_at"] == script.resets_at


@ENDS
def test_a_limit_whose_end_nobody_tells(lab, version):
    world = lab(version, script=scripts.UsageLimit(resets_in=None))
    answer = assert_failed(world, world.run(*FOX), 7, "usage-limit")
    assert answer["error"]["resets_at"] is None


# Login and plan


@pytest.mark.parametrize("version", [pytest.param(builds.OLDEST, marks=pytest.mark.every_build), builds.NEWEST])
def test_no_login(lab, version):
    """The real Codex asks the back end six times without a login before it gives up."""
    world = lab(version, script=scripts.NoLogin())
    (world.home / "auth.json").unlink()
    answer = assert_failed(world, world.run(*FOX), 5, "not-logged-in")
    assert "codex login" in answer["error"]["hint"]


def test_a_free_plan_is_offered_no_tool(lab):
    world = lab(script=Small())
    world.write_home(plan="free")
    assert_failed(world, world.run(*FOX), 7, "tool-unavailable", spent=True)


def test_a_model_without_code_mode_says_that_a_free_plan_has_no_tool(lab):
    """Nothing in the records of such a run tells that the tool was not offered: the hint names the plan."""
    world = lab(script=Small())
    world.write_home(plan="free")
    answer = assert_failed(world, world.run(*FOX, "--model", builds.FUNCTION_MODEL), 7, "refused", spent=True)
    assert "Free plan" in answer["error"]["hint"]


def test_an_api_key_is_offered_no_tool(lab):
    world = lab(script=Small())
    (world.home / "auth.json").write_text(json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up"}))
    done = world.run(*FOX)
    assert_failed(world, done, 7, "tool-unavailable", spent=True)
    assert "sk-made-up" not in done.err + done.text


# Network


@pytest.mark.parametrize("version", [builds.OLDEST, pytest.param(builds.NEWEST, marks=pytest.mark.every_build)])
def test_connections_that_are_closed(lab, version):
    world = lab(version, script=scripts.ClosesConnections())
    answer = assert_failed(world, world.run(*FOX, "--timeout-sec", "6"), 5, "network", spent=None)
    assert "sandbox" in answer["error"]["hint"]


def test_nobody_listens(lab):
    world = lab()
    world.standin.__exit__()  # its port takes no connections any more
    done = world.run(*FOX, "--timeout-sec", "6", "--model", builds.FUNCTION_MODEL)
    assert_failed(world, done, 5, "network")


def test_servers_that_fail(lab):
    world = lab(script=scripts.ServerErrors())
    assert_failed(world, world.run(*FOX, "--timeout-sec", "6"), 5, "network", spent=None)


@ENDS
def test_a_model_that_never_answers(lab, version):
    world = lab(version, script=scripts.NeverAnswers())
    answer = assert_failed(world, world.run(*FOX, "--timeout-sec", "3"), 5, "timeout", spent=None)
    assert "thinking" in answer["error"]["message"]


def test_a_picture_that_never_comes(lab):
    class Draws(Small):
        draw_sec = 60.0

    world = lab(script=Draws())
    answer = assert_failed(world, world.run(*FOX, "--timeout-sec", "4"), 5, "timeout", spent=True)
    assert "drawing" in answer["error"]["message"]


# Codex's own home and words


@ENDS
def test_a_config_that_cannot_be_read(lab, version):
    world = lab(version)
    (world.home / "config.toml").write_text("[broken\n")
    answer = assert_failed(world, world.run(*FOX), 5, "codex-failed")
    assert "config.toml:1:8" in answer["error"]["message"]


@ENDS
def test_a_home_that_is_not_there(lab, version):
    world = lab(version)
    shutil.rmtree(world.home)
    answer = assert_failed(world, world.run(*FOX), 5, "codex-failed")
    assert "does not exist" in answer["error"]["message"]
    assert not world.home.exists()


@ENDS
def test_an_argument_that_codex_does_not_know(lab, version):
    world = lab(version)
    answer = assert_failed(world, world.run(*FOX, "--codex-arg=--nonsense"), 5, "codex-failed")
    assert "--nonsense" in answer["error"]["message"]


def test_a_session_that_cannot_be_written(lab):
    """As in a sandbox that takes writes to CODEX_HOME; the oldest build keeps its pictures nowhere else."""
    world = lab(builds.OLDEST, script=Small())
    (world.home / "sessions").write_text("no folder")
    answer = assert_failed(world, world.run(*FOX), 6, "session-missing", spent=True)
    assert "sandbox" in answer["error"]["hint"]


def test_no_session_by_the_users_own_wish(lab):
    world = lab(builds.OLDEST, script=Small())
    answer = assert_failed(world, world.run(*FOX, "--codex-arg=--ephemeral"), 6, "session-missing", spent=True)
    assert "--ephemeral" in answer["error"]["hint"]


@pytest.mark.parametrize("how", ["a file in its place", "--ephemeral"])
def test_without_a_session_the_saved_picture_is_enough(lab, how):
    world = lab(script=Small())
    if how != "--ephemeral":
        (world.home / "sessions").write_text("no folder")
    done = world.run(*FOX, *(["--codex-arg=--ephemeral"] if how == "--ephemeral" else []))
    assert done.code == 0
    assert (world.work / "fox.png").read_bytes() == made("a red fox")
    checks.assert_clean(world)


# What goes well in the end


@ENDS
def test_a_torn_picture_and_then_a_whole_one(lab, version):
    script = scripts.TornThenWhole()
    world = lab(version, script=script)
    assert world.run(*FOX).code == 0
    assert (world.work / "fox.png").read_bytes() == script.nth(1)


def test_a_blocked_picture_and_then_one_in_a_full_turn(lab):
    """By default Codex is stopped at the first refusal of the safety system."""
    script = scripts.BlockedThenWhole()
    world = lab(script=script)
    assert world.run(*FOX, "--full-turn").code == 0
    assert (world.work / "fox.png").read_bytes() == script.nth(1)


@pytest.mark.parametrize("script", [scripts.BlocksPicture, scripts.PictureLimit, scripts.SwallowsError])
@pytest.mark.parametrize(("version", "model"), [v for v in checks.variants() if v.values[0] >= "0.144"])
def test_a_failure_that_is_final_costs_no_second_model_call(lab, script, version, model):
    world = lab(version, script=script())
    answer = world.run(*FOX, *model_of(model)).json
    assert answer["error"]["code"] in {"moderation", "usage-limit"}
    assert world.model_calls == 1
    assert "turn_aborted" in world.rollouts()[0].read_text()  # closed in good order


def test_a_failure_that_may_pass_is_left_to_the_model(lab):
    world = lab(script=scripts.RateLimitsPictures())
    assert world.run(*FOX).json["error"]["code"] == "rate-limited"
    assert world.model_calls == 2


@ENDS
def test_a_limit_that_is_met_after_the_picture(lab, version):
    script = scripts.LimitAfterPicture()
    world = lab(version, script=script)
    assert world.run(*FOX, "--full-turn").code == 0
    assert (world.work / "fox.png").read_bytes() == script.nth(0)


@pytest.mark.parametrize("version", [variant for variant in checks.every_build() if variant.id < "0.144"])
def test_a_status_that_stays_generating(lab, version):
    script = scripts.StaysGenerating()
    world = lab(version, script=script)
    assert world.run(*FOX).code == 0
    assert (world.work / "fox.png").read_bytes() == script.nth(0)
