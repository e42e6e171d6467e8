"""A thread that is gone on with: what it held before is never this run's, and what this run makes is."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from codex_imagegen.codex import sessions
from tests.support import builds, checks, scripts
from tests.support.checks import Small, made, until
from tests.support.lab import COMMAND
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
OLD, NEW = "a red fox", "the same fox in blue"
NAMED = ["0.140.0", "0.145.0", "0.146.0", "0.152.1"]
"""Builds on which the older picture was seen to be delivered."""


class Late(Small):
    """The second turn's model thinks for longer than anybody waits."""

    draw_sec = 60.0

    def respond(self, call):
        time.sleep(self.draw_sec)
        return super().respond(call)


FAILURES = {
    "refused": (scripts.Refuses, 7, []),
    "moderation": (scripts.BlocksPicture, 7, []),
    "usage-limit": (scripts.UsageLimit, 7, []),
    "no-picture": (scripts.SaysNothing, 7, []),
    "timeout": (Late, 5, ["--timeout-sec", "4"]),
}


def versions(*more):
    ends = [builds.OLDEST, builds.NEWEST]
    between = [build for build in (*builds.BUILDS, *more) if build not in ends]
    return [*ends, *(pytest.param(build, marks=pytest.mark.every_build) for build in dict.fromkeys(between))]


def drawn(world, *arguments):
    """The thread of a first picture."""
    done = world.run("--prompt", OLD, "--out", "old.png", "--json", *arguments)
    assert done.code == 0, done
    return done.json["thread_id"]


def gone_on(world, thread, *arguments, **more):
    resume = ["--codex-arg", "resume", "--codex-arg", thread]
    return world.run("--prompt", NEW, "--out", "new.png", "--json", *resume, *arguments, **more)


def aged(world, days):
    """Move the only rollout to the folder of so many days ago, as if its thread had been born then."""
    (path,) = world.rollouts()
    folder = sessions.folders(str(world.home), time.time() - days * 86_400)[0]
    os.makedirs(folder, exist_ok=True)
    return shutil.move(path, os.path.join(folder, path.name))


@pytest.mark.parametrize("full_turn", [[], ["--full-turn"]], ids=["", "full-turn"])
@pytest.mark.parametrize("code", FAILURES)
@pytest.mark.parametrize("version", versions(*NAMED))
def test_a_turn_that_fails_delivers_no_older_picture(lab, version, code, full_turn):
    script, exit_code, more = FAILURES[code]
    if code == "moderation" and builds.number(version) < (0, 144):
        script = scripts.BlocksPrompt  # the hosted tool's way
    world = lab(version, script=Small())
    thread = drawn(world)
    world.standin.script = script()
    done = gone_on(world, thread, *more, *full_turn)
    assert (done.code, done.json["error"]["code"]) == (exit_code, code), done
    assert done.json["thread_id"] == thread
    assert "recover" not in done.json["error"]["hint"]  # it would write the older picture
    assert not (world.work / "new.png").exists()
    checks.assert_clean(world)


@pytest.mark.parametrize("full_turn", [[], ["--full-turn"]], ids=["", "full-turn"])
@pytest.mark.parametrize("version", versions(*NAMED))
def test_a_turn_that_goes_well_delivers_its_own_picture(lab, version, full_turn):
    world = lab(version, script=scripts.Draws())
    thread = drawn(world)
    larger = world.standin.script.nth(9)
    world.standin.script = scripts.Draws()
    world.standin.script._count = iter([9])
    done = gone_on(world, thread, *full_turn)
    assert done.code == 0, done
    assert (world.work / "new.png").read_bytes() == larger
    assert done.json["thread_id"] == thread
    assert done.json["warnings"] == []


@pytest.mark.parametrize("version", versions())
def test_a_smaller_picture_of_the_new_turn_beats_a_larger_old_one(lab, version):
    world = lab(version, script=scripts.Draws())
    world.standin.script._count = iter([9, 0])
    thread = drawn(world)
    done = gone_on(world, thread, "--full-turn")
    assert done.code == 0, done
    assert (world.work / "new.png").read_bytes() == world.standin.script.nth(0)


@pytest.mark.parametrize("version", versions())
def test_a_thread_born_days_ago(lab, version):
    """Its rollout lies in a folder that no run of today looks at."""
    world = lab(version, script=Small())
    thread = drawn(world)
    aged(world, 40)
    world.standin.script = scripts.Refuses()
    done = gone_on(world, thread)
    assert done.code != 0, done
    assert done.json["error"]["code"] in {"refused", "session-missing", "codex-failed"}
    assert not (world.work / "new.png").exists()


@pytest.mark.parametrize("version", versions())
def test_with_a_reference(lab, version):
    world = lab(version, script=Small())
    (world.work / "ref.png").write_bytes(encoded(300))
    thread = drawn(world)
    world.standin.script = scripts.Refuses()
    assert gone_on(world, thread, "--ref", "ref.png").json["error"]["code"] == "refused"
    world.standin.script = Small()
    done = gone_on(world, thread, "--ref", "ref.png")
    assert done.code == 0, done
    assert (world.work / "new.png").read_bytes() == made(NEW)


@pytest.mark.parametrize(
    "version", [builds.OLDEST, pytest.param("0.145.0", marks=pytest.mark.every_build), builds.NEWEST]
)
def test_two_runs_at_once_on_one_thread(lab, version):
    """What is new in it could not be told apart; 0.169.0 refuses the second by itself."""
    world = lab(version, script=Small())
    thread = drawn(world)
    world.standin.script = Late()
    first = world.start("--prompt", NEW, "--out", "new.png", "--codex-arg", "resume", "--codex-arg", thread)
    until(lambda: world.model_calls == 2, "the first of them")
    calls = len(world.standin.calls)
    done = gone_on(world, thread)
    assert (done.code, done.json["error"]["code"]) == (2, "usage"), done
    assert len(world.standin.calls) == calls
    first.terminate()
    first.communicate(timeout=60)
    world.standin.script = Small()
    assert gone_on(world, thread).code == 0


def test_a_picture_that_cannot_be_written_is_named_as_the_last_of_its_thread(lab):
    world = lab(script=Small())
    thread = drawn(world)
    world.standin.script.respond = appearing(world, world.standin.script.respond)
    done = gone_on(world, thread)
    assert (done.code, done.json["error"]["code"]) == (73, "out-exists"), done
    assert "the last that this writes: codex-imagegen recover" in done.json["error"]["hint"]


def appearing(world, respond):
    def act(call):
        (world.work / "new.png").write_bytes(b"somebody else's")
        return respond(call)

    return act


def test_the_mcp_server_goes_on_with_no_thread(lab):
    done = lab().run_argv([COMMAND, "mcp", "--codex-arg", "resume", "--codex-arg", "x", "--root", "."])
    assert done.code == 2, done
    assert "the MCP server is for several pictures" in done.err


def test_the_last_thread_without_its_name(lab):
    world = lab(script=Small())
    drawn(world)
    world.standin.script = scripts.Refuses()
    arguments = ["--codex-arg", "resume", "--codex-arg=--last", "--codex-arg=--all"]
    done = world.run("--prompt", NEW, "--out", "new.png", "--json", *arguments)
    assert done.json["error"]["code"] == "refused", done
    assert not (world.work / "new.png").exists()


def test_a_compressed_rollout_is_refused_before_anything_is_spent(lab):
    world = lab(script=Small())
    thread = drawn(world)
    (path,) = world.rollouts()
    path.rename(f"{path}.zst")
    calls = len(world.standin.calls)
    done = gone_on(world, thread)
    assert (done.code, done.json["error"]["code"]) == (2, "usage"), done
    assert "zstd -d" in done.err
    assert len(world.standin.calls) == calls


@pytest.mark.parametrize("word", ["fork", "review"])
def test_what_makes_no_picture_is_refused_before_anything_is_spent(lab, word):
    world = lab(script=Small())
    done = world.run("--prompt", NEW, "--json", "--codex-arg", word)
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert world.standin.calls == []
