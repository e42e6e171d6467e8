"""Several pictures of one prompt, through the installed command: each its own run, and what came is kept."""

from __future__ import annotations

import pytest

from tests.bridge import checks
from tests.bridge.checks import Small, made
from tests.support.scripts import RateLimitsPictures, UsageLimit

pytestmark = pytest.mark.real


class FailsOnce(Small, RateLimitsPictures):
    """Refuses the first picture, and makes the others."""

    failed = False

    def picture(self, call):
        if self.failed:
            return Small.picture(self, call)
        self.failed = True
        return RateLimitsPictures.picture(self, call)


def test_three_pictures_of_one_prompt(lab):
    world = lab(script=Small())
    done = world.run("-p", "a fox", "-n", "3", "--jobs", "3", "-o", "fox.png")
    names = [world.work / f"fox-{number}.png" for number in (1, 2, 3)]
    assert (done.code, done.err) == (0, "")
    assert done.text.split() == [str(name) for name in names]
    assert all(name.read_bytes() == made("a fox") for name in names)
    assert world.model_calls == 3
    checks.assert_clean(world)


def test_what_came_is_kept_when_one_fails(lab):
    world = lab(script=FailsOnce())
    done = world.run("-p", "a fox", "--count", "3", "--jobs", "1", "-o", "fox.png", "--json")
    told = done.json
    assert done.code == 1
    assert (told["ok"], len(told["images"]), len(told["failures"])) == (False, 2, 1)
    assert (told["failures"][0]["index"], told["failures"][0]["error"]["code"]) == (0, "rate-limited")
    assert (told["error"]["code"], told["error"]["exit_code"]) == ("rate-limited", 1)
    assert not (world.work / "fox-1.png").exists()
    assert (world.work / "fox-3.png").read_bytes() == made("a fox")


def test_a_used_up_quota_is_asked_for_once(lab):
    world = lab(script=UsageLimit())
    done = world.run("-p", "a fox", "--count", "4", "--jobs", "1", "-o", "fox.png", "--json")
    assert done.code == 1
    assert [failure["error"]["code"] for failure in done.json["failures"]] == ["usage-limit"] * 4
    assert world.model_calls == 1


@pytest.mark.parametrize("arguments", [["-n", "0"], ["-n", "x"], ["-n", "3", "--jobs", "0"], ["-n", "2", "-o", "-"]])
def test_numbers_that_make_no_sense(lab, arguments):
    world = lab()
    done = world.run("-p", "a fox", *arguments, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert world.model_calls == 0


def test_one_of_the_names_is_taken(lab):
    world = lab()
    (world.work / "fox-2.png").write_bytes(b"mine")
    done = world.run("-p", "a fox", "-n", "3", "-o", "fox.png", "--json")
    assert (done.code, done.json["error"]["code"], world.model_calls) == (73, "out-exists", 0)
    assert (world.work / "fox-2.png").read_bytes() == b"mine"


def test_a_missing_codex_is_told_once(lab):
    done = lab().run_argv([*lab().argv("-p", "x", "-n", "3", "--json")[:-1], "/nowhere/codex"])
    assert (done.code, done.json["error"]["code"]) == (3, "codex-missing")
