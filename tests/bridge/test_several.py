"""Several pictures of one prompt, through the installed command: each its own run, and what came is kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
import threading

import pytest

from tests.faults.stage import can
from tests.support import builds, checks
from tests.support.checks import Small, made
from tests.support.lab import COMMAND
from tests.support.pictures import encoded, torn
from tests.support.scripts import (
    BlocksPicture,
    NeverAnswers,
    NoLogin,
    RateLimitsPictures,
    Refuses,
    RejectsPictureRequest,
    UsageLimit,
)

pytestmark = pytest.mark.real


class FailsOnce(Small, RejectsPictureRequest):
    """Fails with the first picture, and makes the others."""

    failed = False

    def picture(self, call):
        if self.failed:
            return Small.picture(self, call)
        self.failed = True
        return RejectsPictureRequest.picture(self, call)


class LimitedOnce(Small, RateLimitsPictures):
    """Has no time for the first picture, and makes the others."""

    limited = 1

    def picture(self, call):
        self.limited -= 1
        return Small.picture(self, call) if self.limited < 0 else RateLimitsPictures.picture(self, call)


class Large(Small):
    """Draws pictures of 250 KB and more."""

    def draw(self, prompt):
        return encoded(300, prompt)


class HoldsAfter(Small):
    """Makes so many pictures at once, and the others never."""

    def __init__(self, quick):
        super().__init__()
        self.quick, self.asked, self.free = quick, 0, threading.Event()

    def picture(self, call):
        self.asked += 1
        if self.asked > self.quick:
            self.free.wait(30)
        return super().picture(call)


def codes(told):
    return [(failure["index"], failure["error"]["code"], failure["error"]["spent"]) for failure in told["failures"]]


def not_started(told):
    return [f["index"] for f in told["failures"] if f["error"]["message"].startswith("not started: ")]


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
    assert (told["ok"], len(told["images"]), codes(told)) == (False, 2, [(0, "generation-failed", True)])
    assert (told["error"]["code"], told["error"]["exit_code"]) == ("generation-failed", 1)
    assert told["error"]["message"].startswith("1 of 3 pictures failed; the first: ")
    assert not (world.work / "fox-1.png").exists()
    assert (world.work / "fox-3.png").read_bytes() == made("a fox")


def test_what_passes_is_waited_out_as_in_a_batch(lab):
    world = lab(script=LimitedOnce())
    done = world.run("-p", "a fox", "--count", "2", "--jobs", "1", "-o", "fox.png", "--json")
    assert (done.code, done.err, len(done.json["images"])) == (0, "", 2)
    assert len(checks.tool_prompts(world)) == 3


def test_no_picture_takes_longer_than_it_was_given(lab):
    """With half of its time over none is tried again: it would be cut off, and have cost as much."""
    world = lab(script=LimitedOnce())
    done = world.run("-p", "a fox", "-n", "2", "--jobs", "1", "-o", "fox.png", "--timeout-sec", "5", "--json")
    assert (done.code, codes(done.json)) == (1, [(0, "rate-limited", True)])
    assert len(checks.tool_prompts(world)) == 2


def test_each_has_the_time_that_it_was_given_and_says_so(lab):
    world = lab(script=NeverAnswers(30))
    done = world.run(
        "-p", "a fox", "-n", "2", "--jobs", "1", "-o", "fox.png", "--timeout-sec", "2", "--json", "--events"
    )
    messages = [failure["error"]["message"] for failure in done.json["failures"]]
    assert [code for _, code, _ in codes(done.json)] == ["timeout"] * 2
    assert len(set(messages)) == 1
    assert "within 2 seconds" in messages[0]


# What ends them all


def test_a_used_up_quota_is_asked_for_once(lab):
    script = UsageLimit(headers=True)
    world = lab(script=script)
    done = world.run("-p", "a fox", "--count", "4", "--jobs", "1", "-o", "fox.png", "--json")
    told = done.json
    assert done.code == 1
    assert codes(told) == [(n, "usage-limit", False) for n in range(4)]
    assert not_started(told) == [1, 2, 3]
    assert {failure["error"]["resets_at"] for failure in told["failures"]} == {script.resets_at}
    assert world.model_calls == 1
    assert "0 of 4 are made" in told["error"]["message"]
    assert re.match(r"after \d{4}-.* go on with: codex-imagegen .*--skip-existing", told["error"]["hint"])


def test_with_no_tool_offered_six_cost_what_two_cost(lab):
    world = lab(script=Small())
    world.write_home(plan="free")
    done = world.run("-p", "a fox", "-n", "6", "--jobs", "2", "-o", "fox.png", "--json")
    assert (done.code, {code for _, code, _ in codes(done.json)}) == (1, {"tool-unavailable"})
    assert (len(done.json["failures"]), len(not_started(done.json))) == (6, 4)
    assert world.model_calls <= 2
    checks.assert_clean(world)


@pytest.mark.parametrize(
    ("script", "code"), [(BlocksPicture, "moderation"), (Refuses, "refused"), (NoLogin, "not-logged-in")]
)
def test_what_the_others_would_meet_as_well_is_met_once(lab, script, code):
    world = lab(script=script())
    done = world.run("-p", "a fox", "-n", "4", "--jobs", "1", "-o", "fox.png", "--json")
    assert (done.code, {told for _, told, _ in codes(done.json)}) == (1, {code})
    assert not_started(done.json) == [1, 2, 3]
    assert len(world.rollouts()) == 1
    assert ("--skip-existing" in done.json["error"]["hint"]) == (code == "not-logged-in")


@pytest.mark.every_build
def test_an_old_codex_is_told_once(lab):
    world = lab(builds.TOO_OLD)
    done = world.run("-p", "a fox", "-n", "3", "--jobs", "1", "-o", "fox.png", "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "codex-too-old")
    assert not done.json["error"]["message"].startswith("not started")
    assert len(done.json["failures"]) == 1


def small_disk(world, kib, script):
    """The beginning of a command line with a small file system at ``out``, where a shell ``script`` runs."""
    (world.work / "out").mkdir()
    mount = f"mount -t tmpfs -o size={kib}k tmpfs out"
    return ["unshare", "-rm", "sh", "-c", f"{mount} && {script}", "sh"]


needs_mounts = pytest.mark.skipif(
    can("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt")() is not None, reason="no mounts here"
)


@needs_mounts
def test_a_full_disk_ends_all_and_loses_none(lab):
    world = lab(script=Large())
    line = world.argv("-p", "a fox", "-n", "4", "--jobs", "1", "-o", "out/fox.png", "--json")
    done = world.run_argv([*small_disk(world, 400, 'exec "$@"'), *line])
    told = done.json
    assert (done.code, len(told["images"]), told["error"]["code"]) == (1, 1, "out-unwritable")
    assert codes(told) == [(1, "out-unwritable", True), (2, "out-unwritable", False), (3, "out-unwritable", False)]
    assert not_started(told) == [2, 3]
    assert world.model_calls == 2
    assert "1 of 4 are made" in told["error"]["message"]
    assert told["error"]["hint"].startswith("make room on the disk; then go on with: codex-imagegen ")
    thread = re.search(r"codex-imagegen recover (\S+)", told["failures"][0]["error"]["hint"])
    assert world.run_argv([COMMAND, "recover", thread[1], "--out", "fox-2.png"]).code == 0
    assert (world.work / "fox-2.png").read_bytes() == Large().draw("a fox")


@needs_mounts
def test_a_full_disk_ends_a_batch_which_goes_on_where_it_was(lab):
    world = lab(script=Large())
    (world.work / "jobs.txt").write_text("".join(f"picture {n}\n" for n in range(4)))
    line = world.argv("batch", "jobs.txt", "--jobs", "1", "--out-dir", "out", "--json")
    twice = '"$@"; echo "=$?"; mount -o remount,size=9m out; "$@"; echo "=$?"; cat out/*.png | wc -c'
    done = world.run_argv([*small_disk(world, 400, twice), *line])
    first, second, size = re.split(r"^=\d\n", done.text, flags=re.MULTILINE)
    told = [[json.loads(line) for line in part.splitlines()] for part in (first, second)]
    assert re.findall(r"^=\d", done.text, flags=re.MULTILINE) == ["=1", "=0"]
    assert [answer["status"] for answer in told[0]] == ["made", "left", "left", "left"]
    assert {answer["error"]["code"] for answer in told[0][1:]} == {"out-unwritable"}
    assert [answer["error"]["spent"] for answer in told[0][1:]] == [True, False, False]
    assert [answer["status"] for answer in told[1]] == ["there", "recovered", "made", "made"]
    assert int(size) == sum(len(Large().draw(f"picture {n}")) for n in range(4))
    assert world.model_calls == 4


# Being cut off, and going on


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_counts_what_is_there_and_names_the_command_that_goes_on(lab, signum):
    script = HoldsAfter(2)
    world = lab(script=script)
    line = world.argv("-p", "a fox", "-n", "6", "--jobs", "2", "-o", "fox.png")
    running = subprocess.Popen(
        [*line, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=world.work, env=world.environment,
    )  # fmt: skip
    checks.until(
        lambda: script.asked == 4 and (world.work / "fox-2.png").exists(), "two pictures, and two on their way"
    )
    running.send_signal(signum)
    out, err = running.communicate(timeout=30)
    script.free.set()
    told = json.loads(out)
    there = [image["path"] for image in told["images"]]
    assert there == [str(path) for path in sorted(world.work.glob("fox-*.png"))]
    assert (running.returncode, told["error"]["code"], told["error"]["exit_code"]) == (
        128 + signum, "interrupted", 128 + signum,
    )  # fmt: skip
    assert told["error"]["message"] == f"interrupted; {len(there)} of 6 are made"
    assert told["error"]["spent"] is True
    assert len(there) + len(told["failures"]) == 6
    assert {failure["error"]["code"] for failure in told["failures"]} == {"interrupted"}
    assert len(not_started(told)) == 2
    assert (
        told["error"]["hint"] == f"go on with: {shlex.join(['codex-imagegen', *line[1:], '--json', '--skip-existing'])}"
    )
    assert told["error"]["hint"] in err.decode()
    checks.assert_clean(world)
    script.quick = 100
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in world.work.glob("fox-*.png")}
    calls = world.model_calls
    words = shlex.split(told["error"]["hint"].removeprefix("go on with: "))
    done = world.run_argv([COMMAND, *words[1:]])
    assert (done.code, done.err, world.model_calls - calls) == (0, "", 6 - len(there))
    assert [image["path"] for image in done.json["images"]] == [str(world.work / f"fox-{n}.png") for n in range(1, 7)]
    assert all((path.stat().st_mtime_ns, path.read_bytes()) == was for path, was in before.items())
    again = world.run_argv([COMMAND, *words[1:]])
    assert (again.code, len(again.json["images"]), world.model_calls) == (0, 6, calls + 6 - len(there))


def test_without_a_name_the_command_that_goes_on_has_one(lab):
    world = lab(script=FailsOnce())
    done = world.run("-p", "a fox", "-n", "2", "--jobs", "1", "--json")
    words = shlex.split(done.json["error"]["hint"].partition("go on with: ")[2])
    (there,) = done.json["images"]
    done = world.run_argv([COMMAND, *words[1:]])
    assert (done.code, len(done.json["images"]), done.json["images"][1]["path"]) == (0, 2, there["path"])


def test_with_force_there_is_no_telling_what_is_new(lab):
    world = lab(script=FailsOnce())
    done = world.run("-p", "a fox", "-n", "2", "--jobs", "1", "-o", "fox.png", "--force", "--json")
    assert "go on with" not in done.json["error"]["hint"]


def test_what_is_there_already_is_left_as_it_is_and_in_the_images(lab):
    world = lab(script=Small())
    (world.work / "fox-2.png").write_bytes(encoded(48, "mine", format="JPEG"))
    done = world.run("-p", "a fox", "-n", "3", "-o", "fox.png", "--skip-existing", "--events", "--json")
    images = done.json["images"]
    assert (done.code, [image["path"] for image in images]) == (
        0, [str(world.work / f"fox-{n}.png") for n in (1, 2, 3)],
    )  # fmt: skip
    assert (images[1]["format"], images[1]["width"], images[1]["bytes"]) == (
        "jpeg", 48, len(encoded(48, "mine", format="JPEG")),
    )  # fmt: skip
    assert images[1]["sha256"] == hashlib.sha256((world.work / "fox-2.png").read_bytes()).hexdigest()
    assert world.model_calls == 2
    (written,) = [line for line in done.events if line["event"] == "written" and line["index"] == 1]
    assert (written["path"], written["message"]) == (images[1]["path"], "made before")
    (world.work / "owl.png").write_bytes(encoded())
    one = world.run("-p", "an owl", "-o", "owl.png", "--skip-existing")
    assert (one.code, one.text, world.model_calls) == (0, f"{world.work / 'owl.png'}\n", 2)
    line = world.argv("-p", "a fox", "-n", "4", "-o", "fox.png", "--skip-existing", "--json")
    fails = world.run_argv([*line[:-1], "/nowhere/codex"])
    assert (fails.code, len(fails.json["images"]), codes(fails.json)) == (1, 3, [(3, "codex-missing", False)])


@pytest.mark.parametrize("make", [
    lambda path: path.write_bytes(b"mine"), lambda path: path.write_bytes(b""), lambda path: path.mkdir(), os.mkfifo,
    lambda path: path.write_bytes(torn(encoded())), lambda path: path.symlink_to("nowhere"),
], ids=["text", "empty", "folder", "fifo", "torn", "link"])  # fmt: skip
def test_a_file_that_is_no_picture_is_refused_before_anything_is_spent(lab, make):
    world = lab(script=Small())
    make(world.work / "fox-2.png")
    done = world.run("-p", "a fox", "-n", "3", "-o", "fox.png", "--skip-existing", "--json")
    assert (done.code, done.json["error"]["exit_code"], done.json["error"]["spent"]) == (73, 73, False)
    assert "fox-2.png' is there already" in done.json["error"]["message"]
    assert world.standin.calls == []
    assert os.path.lexists(world.work / "fox-2.png")


@pytest.mark.parametrize("arguments", [
    ["-n", "2", "-o", "fox.png", "--force"], ["-n", "2"], ["-o", "-"],
    ["-n", "2", "--codex-arg", "resume", "--codex-arg", "019a0000-0000-7000-8000-000000000001"],
    ["-n", "2", "--codex-arg=-c", "--codex-arg=x=1", "--codex-arg", "fork", "--codex-arg", "x", "-o", "fox.png"],
])  # fmt: skip
def test_what_contradicts_itself_is_refused(lab, arguments):
    world = lab(script=Small())
    skip = [] if "--codex-arg" in arguments else ["--skip-existing"]
    done = world.run("-p", "a fox", *arguments, *skip, "--json" if "-" not in arguments else "--events")
    assert done.code == 2
    assert world.standin.calls == []


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
