"""``--count``: several pictures of one prompt, each a run of its own; partial results are kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path
from unittest import mock

import pytest

from codex_imagegen.request import DEFAULT_TIMEOUT_SEC
from codex_imagegen.runner.attempts import Backoff
from tests.support import builds, checks
from tests.support.checks import DrawsSmall, reason_why_not, small_png
from tests.support.in_process import call
from tests.support.lab import COMMAND
from tests.support.pictures import encoded, torn
from tests.support.scripts import (
    BlocksPicture,
    FailsOnce,
    HoldsPictures,
    NeverAnswers,
    NeverCloses,
    NoLogin,
    RateLimitsPictures,
    Refuses,
    UsageLimit,
)

pytestmark = pytest.mark.real


class LimitedOnce(DrawsSmall, RateLimitsPictures):
    """Has no time for the first picture, and makes the others."""

    limited = 1

    def picture(self, call):
        self.limited -= 1
        return DrawsSmall.picture(self, call) if self.limited < 0 else RateLimitsPictures.picture(self, call)


class Large(DrawsSmall):
    """Draws pictures of 250 KB and more."""

    def draw(self, prompt):
        return encoded(300, prompt)


def pauses(seconds):
    """The pause before each repeat."""
    return mock.patch.object(Backoff, "pauses", return_value=[seconds] * 3)


def codes(result):
    return [(failure["index"], failure["error"]["code"], failure["error"]["spent"]) for failure in result["failures"]]


def not_started(result):
    return [f["index"] for f in result["failures"] if f["error"]["message"].startswith("not started: ")]


def test_run_with_count_writes_as_many_numbered_pictures(lab):
    """None waits for the model's closing words, which cost as well."""
    world = lab(script=NeverCloses())
    done = world.run("-p", "a fox", "-n", "3", "--jobs", "3", "-o", "fox.png")
    names = [world.work / f"fox-{number}.png" for number in (1, 2, 3)]
    same = "codex-imagegen: warning: fox-{}.png is the same picture as fox-1.png, byte for byte."
    assert (done.code, done.err.splitlines()) == (0, [same.format(number) for number in (2, 3)])
    assert sorted(done.text.split()) == [str(name) for name in names]
    assert all(name.read_bytes() == small_png("a fox") for name in names)
    assert (checks.picture_turns(world), world.standin.script.closed) == (3, 0)
    checks.assert_clean(world)


def test_run_with_count_of_which_one_fails_keeps_the_others_and_names_the_command_that_continues(lab):
    """No name was given: the command names the pictures that are there."""
    world = lab(script=FailsOnce())
    done = world.call("-p", "a fox", "--count", "3", "--jobs", "1", "--json")
    result = done.json
    assert done.code == 1
    assert (result["ok"], len(result["images"]), codes(result)) == (False, 2, [(0, "generation-failed", True)])
    assert (result["error"]["code"], result["error"]["exit_code"]) == ("generation-failed", 1)
    assert result["error"]["message"].startswith("1 of 3 pictures failed (number 1); the first: ")
    there = [image["path"] for image in result["images"]]
    assert [path[-6:] for path in there] == ["-2.png", "-3.png"]
    assert sorted(path.name for path in world.work.iterdir()) == sorted(os.path.basename(path) for path in there)
    assert Path(there[1]).read_bytes() == small_png("a fox")
    words = shlex.split(result["error"]["hint"].partition("go on with:\n")[2])
    again = call(*words[1:], environment=world.environment, folder=world.work)
    assert (again.code, [image["path"] for image in again.json["images"]][1:]) == (0, there)
    assert checks.picture_turns(world) == 4


@pytest.mark.every_build
def test_run_with_count_that_is_rate_limited_pauses_and_repeats(lab):
    world = lab(script=LimitedOnce())
    with pauses(0.1):
        done = world.call("-p", "a fox", "--count", "2", "--jobs", "1", "-o", "fox.png", "--json")
    assert (done.code, done.err, len(done.json["images"])) == (0, "", 2)
    assert len(checks.tool_prompts(world)) == 3


def test_run_with_count_repeats_nothing_after_half_of_the_timeout(lab):
    """With half of its time over none is tried again: it would be cut off, and have cost as much."""
    world = lab(script=LimitedOnce())
    with pauses(DEFAULT_TIMEOUT_SEC / 2):
        done = world.call("-p", "a fox", "-n", "2", "--jobs", "1", "-o", "fox.png", "--json")
    assert (done.code, codes(done.json)) == (1, [(0, "rate-limited", True)])
    assert len(checks.tool_prompts(world)) == 2


@pytest.mark.every_build
def test_run_with_count_gives_each_picture_the_whole_timeout(lab):
    world = lab(script=NeverAnswers(30))
    done = world.call("-p", "a fox", "-n", "2", "--jobs", "1", "-o", "fox.png", "--timeout-sec", "1", "--json")
    messages = [failure["error"]["message"] for failure in done.json["failures"]]
    assert [code for _, code, _ in codes(done.json)] == ["timeout"] * 2
    assert len(set(messages)) == 1
    assert "within 1 second" in messages[0]


# What ends them all


def test_run_with_count_at_a_usage_limit_starts_no_other_picture(lab):
    script = UsageLimit(headers=True)
    world = lab(script=script)
    done = world.call("-p", "a fox", "--count", "4", "--jobs", "1", "-o", "fox.png", "--json")
    result = done.json
    assert done.code == 1
    assert codes(result) == [(n, "usage-limit", False) for n in range(4)]
    assert not_started(result) == [1, 2, 3]
    assert {failure["error"]["resets_at"] for failure in result["failures"]} == {script.resets_at}
    assert checks.picture_turns(world) == 1
    assert "0 of 4 pictures made" in result["error"]["message"]
    assert re.match(
        r"at \d\d:\d\d \(in \d+ .*\) go on with:\ncodex-imagegen .*--skip-existing", result["error"]["hint"]
    )


def test_run_with_count_without_the_image_tool_starts_no_more_than_its_jobs(lab):
    world = lab(script=DrawsSmall())
    world.write_home(plan="free")
    done = world.call("-p", "a fox", "-n", "6", "--jobs", "2", "-o", "fox.png", "--json")
    assert (done.code, {code for _, code, _ in codes(done.json)}) == (1, {"tool-unavailable"})
    assert (len(done.json["failures"]), len(not_started(done.json))) == (6, 4)
    assert checks.picture_turns(world) <= 2
    checks.assert_clean(world)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (BlocksPicture, "moderation"),
        (NoLogin, "not-logged-in"),
        pytest.param(Refuses, "refused", marks=pytest.mark.every_build),
    ],
)
def test_run_with_count_and_a_failure_that_all_would_meet_starts_no_other(lab, script, code):
    world = lab(script=script())
    done = world.call("-p", "a fox", "-n", "4", "--jobs", "1", "-o", "fox.png", "--json")
    assert (done.code, {failure_code for _, failure_code, _ in codes(done.json)}) == (1, {code})
    assert not_started(done.json) == [1, 2, 3]
    assert len(world.rollouts()) == 1
    assert ("--skip-existing" in done.json["error"]["hint"]) == (code == "not-logged-in")


@pytest.mark.every_build
def test_run_with_count_and_an_old_codex_fails_once(lab):
    world = lab(builds.TOO_OLD)
    done = world.call("-p", "a fox", "-n", "3", "--jobs", "1", "-o", "fox.png", "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "codex-too-old")
    assert not done.json["error"]["message"].startswith("not started")
    assert len(done.json["failures"]) == 1


def small_disk(world, kib, script):
    """The beginning of a command line with a small file system at ``out``, where a shell ``script`` runs."""
    (world.work / "out").mkdir()
    mount = f"mount -t tmpfs -o size={kib}k tmpfs out"
    return ["unshare", "-rm", "sh", "-c", f"{mount} && {script}", "sh"]


needs_mounts = pytest.mark.skipif(
    reason_why_not("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt")() is not None, reason="no mounts here"
)


@needs_mounts
def test_run_with_count_on_a_full_disk_stops_and_names_how_to_recover(lab):
    world = lab(script=Large())
    line = world.argv("-p", "a fox", "-n", "4", "--jobs", "1", "-o", "out/fox.png", "--json")
    done = world.run_argv([*small_disk(world, 400, 'exec "$@"'), *line])
    result = done.json
    assert (done.code, len(result["images"]), result["error"]["code"]) == (1, 1, "out-unwritable")
    assert codes(result) == [(1, "out-unwritable", True), (2, "out-unwritable", False), (3, "out-unwritable", False)]
    assert not_started(result) == [2, 3]
    assert checks.picture_turns(world) == 2
    assert "1 of 4 pictures made" in result["error"]["message"]
    first, fetch, then, again = result["error"]["hint"].split("\n")
    assert (first, then) == ("free disk space; fetch the picture that was made with:", "then go on with:")
    assert again.endswith("--skip-existing")
    assert fetch == result["failures"][0]["error"]["hint"].rpartition("\n")[2]
    thread = re.fullmatch(r"codex-imagegen recover (\S+) --out \S+/out/fox-2\.png", fetch)
    assert world.run_argv([COMMAND, "recover", thread[1], "--out", "fox-2.png"]).code == 0
    assert (world.work / "fox-2.png").read_bytes() == Large().draw("a fox")


@pytest.mark.every_build
@needs_mounts
def test_batch_on_a_full_disk_stops_and_continues_with_what_was_made(lab):
    world = lab(script=Large())
    (world.work / "jobs.txt").write_text("".join(f"picture {n}\n" for n in range(3)))
    line = world.argv("batch", "jobs.txt", "--jobs", "1", "--out-dir", "out", "--json")
    twice = '"$@"; echo "=$?"; mount -o remount,size=9m out; "$@"; echo "=$?"; cat out/*.png | wc -c'
    done = world.run_argv([*small_disk(world, 400, twice), *line])
    first, second, size = re.split(r"^=\d\n", done.text, flags=re.MULTILINE)
    results = [[json.loads(line) for line in part.splitlines()] for part in (first, second)]
    assert re.findall(r"^=\d", done.text, flags=re.MULTILINE) == ["=1", "=0"]
    assert [answer["status"] for answer in results[0]] == ["made", "not-started", "not-started"]
    assert {answer["error"]["code"] for answer in results[0][1:]} == {"out-unwritable"}
    assert [answer["error"]["spent"] for answer in results[0][1:]] == [True, False]
    assert [answer["status"] for answer in results[1]] == ["skipped", "recovered", "made"]
    assert int(size) == sum(len(Large().draw(f"picture {n}")) for n in range(3))
    assert checks.picture_turns(world) == 3


# Being cut off, and going on


@pytest.mark.parametrize("signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.every_build)])
def test_run_with_count_that_is_interrupted_counts_what_is_there_and_names_the_command_that_continues(lab, signum):
    """The signal comes twice, as timeout(1) sends it: to the process and to its group."""
    script = HoldsPictures(2)
    world = lab(script=script)
    line = world.argv("-p", "a fox", "-n", "5", "--jobs", "2", "-o", "fox.png")
    running = subprocess.Popen(
        [*line, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=world.work, env=world.environment,
    )  # fmt: skip
    checks.wait_until(
        lambda: script.asked == 4 and len(list(world.work.glob("fox-*.png"))) == 2,
        "two pictures, and two on their way",
    )
    running.send_signal(signum)
    running.send_signal(signum)
    out, err = running.communicate(timeout=60)
    script.free.set()
    result = json.loads(out)
    there = [image["path"] for image in result["images"]]
    assert there == [str(path) for path in sorted(world.work.glob("fox-*.png"))]
    assert (running.returncode, result["error"]["code"], result["error"]["exit_code"]) == (
        128 + signum, "interrupted", 128 + signum,
    )  # fmt: skip
    assert result["error"]["message"] == f"interrupted; {len(there)} of 5 pictures made"
    assert result["error"]["spent"] is True
    assert len(there) + len(result["failures"]) == 5
    assert {failure["error"]["code"] for failure in result["failures"]} == {"interrupted"}
    assert len(not_started(result)) == 1
    assert (
        result["error"]["hint"]
        == f"go on with:\n{shlex.join(['codex-imagegen', *line[1:], '--json', '--skip-existing'])}"
    )
    assert result["error"]["hint"].replace("\n", " ") in err.decode()
    checks.assert_clean(world)
    script.quick = 100
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in world.work.glob("fox-*.png")}
    calls = checks.picture_turns(world)
    words = shlex.split(result["error"]["hint"].removeprefix("go on with:\n"))
    done = call(*words[1:], environment=world.environment, folder=world.work)
    assert (done.code, done.err, checks.picture_turns(world) - calls) == (0, "", 5 - len(there))
    assert [image["path"] for image in done.json["images"]] == [str(world.work / f"fox-{n}.png") for n in range(1, 6)]
    assert all((path.stat().st_mtime_ns, path.read_bytes()) == was for path, was in before.items())
    again = call(*words[1:], environment=world.environment, folder=world.work)
    assert (again.code, len(again.json["images"]), checks.picture_turns(world)) == (0, 5, calls + 5 - len(there))


def test_run_with_count_and_force_names_no_command_that_continues(lab):
    world = lab(script=FailsOnce())
    done = world.call("-p", "a fox", "-n", "2", "--jobs", "1", "-o", "fox.png", "--force", "--json")
    assert "go on with" not in done.json["error"]["hint"]


def test_run_with_skip_existing_keeps_pictures_and_lists_them(lab):
    world = lab(script=DrawsSmall())
    (world.work / "fox-2.png").write_bytes(encoded(48, "mine", format="JPEG"))
    done = world.call("-p", "a fox", "-n", "3", "-o", "fox.png", "--skip-existing", "--events", "--json")
    images = done.json["images"]
    assert (done.code, [image["path"] for image in images]) == (
        0, [str(world.work / f"fox-{n}.png") for n in (1, 2, 3)],
    )  # fmt: skip
    assert (images[1]["format"], images[1]["width"], images[1]["bytes"]) == (
        "jpeg", 48, len(encoded(48, "mine", format="JPEG")),
    )  # fmt: skip
    assert images[1]["sha256"] == hashlib.sha256((world.work / "fox-2.png").read_bytes()).hexdigest()
    assert checks.picture_turns(world) == 2
    (written,) = [line for line in done.events if line["event"] == "written" and line["index"] == 1]
    assert (written["path"], written["message"]) == (images[1]["path"], "made before")
    (world.work / "owl.png").write_bytes(encoded())
    one = world.call("-p", "an owl", "-o", "owl.png", "--skip-existing")
    assert (one.code, one.text, checks.picture_turns(world)) == (0, f"{world.work / 'owl.png'}\n", 2)
    line = world.argv("-p", "a fox", "-n", "4", "-o", "fox.png", "--skip-existing", "--json")
    fails = world.run_argv([*line[:-1], "/nowhere/codex"])
    assert (fails.code, len(fails.json["images"]), codes(fails.json)) == (1, 3, [(3, "codex-missing", False)])


NO_PICTURES = {
    "text": lambda path: path.write_bytes(b"mine"),
    "empty": lambda path: path.write_bytes(b""),
    "folder": lambda path: path.mkdir(),
    "fifo": os.mkfifo,
    "torn": lambda path: path.write_bytes(torn(encoded())),
    "link": lambda path: path.symlink_to("nowhere"),
}


def test_run_with_skip_existing_refuses_a_file_that_is_no_picture_unspent(lab):
    world = lab(script=DrawsSmall())
    path = world.work / "fox-2.png"
    for name, make in NO_PICTURES.items():
        print(name)
        make(path)
        done = world.call("-p", "a fox", "-n", "3", "-o", "fox.png", "--skip-existing", "--json")
        assert (done.code, done.json["error"]["exit_code"], done.json["error"]["spent"]) == (73, 73, False)
        assert "fox-2.png' already exists" in done.json["error"]["message"]
        assert world.standin.calls == []
        assert os.path.lexists(path)
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("arguments", [
    ["-n", "2", "-o", "fox.png", "--force", "--skip-existing"], ["-n", "2", "--skip-existing"],
    ["-o", "-", "--skip-existing"],
    ["-n", "2", "--codex-arg", "resume", "--codex-arg", "019a0000-0000-7000-8000-000000000001"],
    ["-n", "2", "--codex-arg=-c", "--codex-arg=x=1", "--codex-arg", "fork", "--codex-arg", "x", "-o", "fox.png"],
    ["-n", "0", "--json"], ["-n", "x", "--json"], ["-n", "3", "--jobs", "0", "--json"], ["-n", "2", "-o", "-"],
])  # fmt: skip
def test_run_with_options_that_contradict_each_other_fails_as_usage(lab, arguments):
    world = lab(offline=True)
    done = world.call("-p", "a fox", *arguments, *([] if "--json" in arguments else ["--events"]))
    assert done.code == 2
    result = done.json if "--json" in arguments else done.events[-1]
    assert result["error"]["code"] == "usage"


def test_run_with_count_and_one_name_taken_is_refused_unspent(lab):
    world = lab()
    (world.work / "fox-2.png").write_bytes(b"mine")
    done = world.call("-p", "a fox", "-n", "3", "-o", "fox.png", "--json")
    assert (done.code, done.json["error"]["code"], checks.picture_turns(world)) == (73, "out-exists", 0)
    assert (world.work / "fox-2.png").read_bytes() == b"mine"


def test_run_with_count_and_no_codex_fails_once(lab):
    done = lab(offline=True).call("-p", "x", "-n", "3", "--json", "--codex", "/nowhere/codex")
    assert (done.code, done.json["error"]["code"]) == (3, "codex-missing")
