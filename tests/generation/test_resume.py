"""Resumed threads: what a thread held before is never delivered, and what the new turn makes is."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from codex_imagegen.codex.sessions import layout
from tests.support import builds, checks, scripts
from tests.support.checks import DrawsSmall, small_png, wait_until
from tests.support.faulty_run import FaultyRun
from tests.support.history import thread_of
from tests.support.in_process import call
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
OLD, NEW = "a red fox", "the same fox in blue"


class Late(DrawsSmall):
    """The model thinks for longer than anybody waits."""

    def respond(self, call):
        time.sleep(60)
        return super().respond(call)


FAILURES = {
    "refused": (scripts.Refuses, 7),
    "moderation": (scripts.BlocksPicture, 7),
    "usage-limit": (scripts.UsageLimit, 7),
    "no-picture": (scripts.SaysNothing, 7),
    "timeout": (DrawsSmall, 5),
}
FEW = ("timeout", "refused")
BETWEEN = ("0.118.0", "0.134.0", "0.140.0", "0.145.0", "0.146.0", "0.152.1")
"""Builds of which all but the first two were seen to deliver the older picture."""


def drawn(world, *arguments):
    """The thread of a first picture."""
    done = world.call("--prompt", OLD, "--out", "old.png", "--json", *arguments)
    assert done.code == 0, done
    return done.json["thread_id"]


def resume(thread):
    return ["--codex-arg", "resume", "--codex-arg", thread]


def gone_on(world, thread, *arguments):
    return world.call("--prompt", NEW, "--out", "new.png", "--json", *resume(thread), *arguments)


def aged(world, days):
    """Move the only rollout to the folder of so many days ago, as if its thread had been born then."""
    (path,) = world.rollouts()
    folder = layout.list_day_folders(str(world.home), time.time() - days * 86_400)[0]
    os.makedirs(folder, exist_ok=True)
    return shutil.move(path, os.path.join(folder, path.name))


@pytest.mark.parametrize(
    ("version", "codes"),
    [
        (builds.NEWEST, tuple(FAILURES)),
        (builds.OLDEST, FEW),
        *(pytest.param(version, FEW, marks=pytest.mark.every_build) for version in BETWEEN),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_resumed_turn_that_fails_delivers_no_older_picture(lab, version, codes):
    """Every other one of the turns is a whole one; the time of one is up when its model was asked."""
    world = lab(version, script=DrawsSmall())
    thread, run = drawn(world), FaultyRun(world)
    for number, code in enumerate(codes):
        script, exit_code = FAILURES[code]
        run.script = world.standin.script = script()
        more = [*resume(thread), *(["--full-turn"] if number % 2 == 0 else [])]
        if code == "timeout":
            run.script.respond = lambda _call: run.end_time_and_hold()
            done = run.run_until_time_is_up(*more)
        else:
            done = run.call(*more)
        assert (done.code, done.json["error"]["code"]) == (exit_code, code), done
        assert done.json["thread_id"] == thread
        assert "recover" not in done.json["error"]["hint"]  # it would write the older picture
        assert not run.out.exists()
    checks.assert_clean(world)


@pytest.mark.parametrize(
    "version",
    [builds.NEWEST, builds.OLDEST, *(pytest.param(one, marks=pytest.mark.every_build) for one in BETWEEN)],
)
def test_resumed_turn_that_succeeds_delivers_its_own_picture(lab, version):
    """Whether that is smaller than the thread's older ones, or larger."""
    world = lab(version, script=scripts.Draws())
    script = world.standin.script
    script._count = iter([9, 0, 12])
    thread = drawn(world)
    for number, more in ((0, ["--full-turn"]), (12, [])):
        done = gone_on(world, thread, *more, "--force")
        assert done.code == 0, done
        assert (world.work / "new.png").read_bytes() == script.nth(number)
        assert (done.json["thread_id"], done.json["warnings"]) == (thread, [])


@pytest.mark.parametrize("version", [builds.NEWEST, pytest.param(builds.OLDEST, marks=pytest.mark.every_build)])
def test_resumed_thread_of_days_ago_delivers_no_older_picture(lab, version):
    """Its rollout lies in a folder that no run of today looks at; with ``--last`` it is not even named."""
    world = lab(version, script=DrawsSmall())
    thread = drawn(world)
    world.standin.script = scripts.Refuses()
    last = ["--codex-arg", "resume", "--codex-arg=--last", "--codex-arg=--all"]
    done = world.call("--prompt", NEW, "--out", "new.png", "--json", *last)
    assert done.json["error"]["code"] == "refused", done
    aged(world, 40)
    done = gone_on(world, thread)
    assert done.code != 0, done
    assert done.json["error"]["code"] in {"refused", "session-missing", "codex-failed"}
    assert not (world.work / "new.png").exists()


@pytest.mark.parametrize("version", [builds.NEWEST, pytest.param(builds.OLDEST, marks=pytest.mark.every_build)])
def test_resumed_turn_with_a_reference_does_not_deliver_the_reference(lab, version):
    world = lab(version, script=DrawsSmall())
    (world.work / "ref.png").write_bytes(encoded(300))
    thread = drawn(world)
    world.standin.script = scripts.Refuses()
    assert gone_on(world, thread, "--ref", "ref.png").json["error"]["code"] == "refused"
    world.standin.script = DrawsSmall()
    done = gone_on(world, thread, "--ref", "ref.png")
    assert done.code == 0, done
    assert (world.work / "new.png").read_bytes() == small_png(NEW)


@pytest.mark.parametrize("version", [builds.NEWEST, pytest.param("0.145.0", marks=pytest.mark.every_build)])
def test_second_run_on_a_resumed_thread_is_refused(lab, version):
    """What is new in it could not be told apart; 0.169.0 refuses the second by itself."""
    world = lab(version, script=DrawsSmall())
    thread = drawn(world)
    world.standin.script = Late()
    first = world.start("--prompt", NEW, "--out", "new.png", "--codex-arg", "resume", "--codex-arg", thread)
    wait_until(lambda: world.model_calls == 2, "the first of them")
    calls = len(world.standin.calls)
    done = gone_on(world, thread)
    assert (done.code, done.json["error"]["code"]) == (2, "usage"), done
    assert len(world.standin.calls) == calls
    first.terminate()
    first.communicate(timeout=60)
    world.standin.script = DrawsSmall()
    assert gone_on(world, thread).code == 0


def test_resumed_picture_that_cannot_be_written_is_named_as_the_last_of_its_thread(lab):
    world = lab(script=DrawsSmall())
    thread = drawn(world)
    world.standin.script.respond = appearing(world, world.standin.script.respond)
    done = gone_on(world, thread)
    assert (done.code, done.json["error"]["code"]) == (73, "out-exists"), done
    assert "the last that this writes, with:\ncodex-imagegen recover" in done.json["error"]["hint"]


def appearing(world, respond):
    def act(call):
        (world.work / "new.png").write_bytes(b"somebody else's")
        return respond(call)

    return act


def test_mcp_server_with_a_resumed_thread_is_refused():
    done = call("mcp", "--codex-arg", "resume", "--codex-arg", "x", "--root", ".")
    assert done.code == 2
    assert "the MCP server is for several pictures" in done.err


def test_resume_of_a_compressed_rollout_is_refused_before_codex_is_asked(lab):
    world = lab(script=DrawsSmall())
    path = world.history.rollout()
    path.rename(f"{path}.zst")
    done = gone_on(world, thread_of(path))
    assert (done.code, done.json["error"]["code"]) == (2, "usage"), done
    assert "zstd -d" in done.err
    assert world.standin.calls == []


@pytest.mark.parametrize("words", ["fork", "review", "a blue bird"])
def test_codex_arguments_that_are_another_command_or_a_prompt_are_refused(lab, words):
    """Codex would draw a prompt of its own, also where it is ended before it has read ours."""
    world = lab(script=DrawsSmall())
    done = world.call("--prompt", NEW, "--json", "--codex-arg", words)
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert world.standin.calls == []
