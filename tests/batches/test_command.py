"""``codex-imagegen batch`` through the installed command and the real Codex: its output and its costs."""

from __future__ import annotations

import os
import pty
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest
from PIL import Image

from codex_imagegen.cli.main import COMMANDS
from codex_imagegen.demo.fake_openai import Call, Reply
from codex_imagegen.render import envelope
from codex_imagegen.results import Result
from codex_imagegen.runner import attempts
from tests.support import builds, recorded_runs
from tests.support.batches import (
    BatchScript,
    assert_clean,
    journal_path,
    json_by_job,
    pictures_asked,
    records,
    remove_events,
    statuses,
    write_jobs,
)
from tests.support.checks import picture_turns, small_png, wait_until
from tests.support.in_process import call
from tests.support.lab import COMMAND, Lab
from tests.support.pictures import encoded
from tests.support.scripts import FailsOnce

Labs = Callable[..., Lab]
pytestmark = pytest.mark.real


def assert_each_drawn_once(lab: Lab, prompts: list[str], folder: str = ".") -> None:
    """Every picture is correct and was requested once, and no temporary file is left."""
    names = [f"{number:04d}.png" for number in range(1, len(prompts) + 1)]
    assert [(lab.work / folder / name).read_bytes() for name in names] == [small_png(prompt) for prompt in prompts]
    assert pictures_asked(lab) == dict.fromkeys(prompts, 1)
    assert_clean(lab)


def test_batch_makes_each_picture_once(lab: Labs) -> None:
    world, prompts = lab(script=BatchScript()), ["a red fox", "an owl -- at 'night'"]
    done = world.run("batch", write_jobs(world, *prompts), "--out-dir", "out")
    assert done.code == 0
    assert re.fullmatch(r"codex-imagegen: 2 made · \d+ s\n", done.err)
    assert sorted(done.text.splitlines()) == [str(world.work / f"out/{n:04d}.png") for n in (1, 2)]
    assert_each_drawn_once(world, prompts, "out")
    again = world.run("batch", "jobs.txt", "--out-dir", "out", "--json", "--quiet")
    assert (again.code, again.err, statuses(again)) == (0, "", ["skipped"] * 2)
    assert [answer["images"][0]["path"] for answer in json_by_job(again)] == sorted(done.text.splitlines())
    assert picture_turns(world) == 2


def test_jobs_from_stdin_with_options_of_their_own_print_one_object_each(lab: Labs) -> None:
    world = lab(script=BatchScript())
    (world.work / "a, b.png").write_bytes(encoded())
    write_jobs(
        world,
        {"prompt": "a fox", "out": "sub/fox.jpg", "ref": "a, b.png"},
        {"prompt": "a bird", "size": "100x50", "fit": True},
    )
    done = world.run("batch", "-", "--json", "-q", stdin=(world.work / "jobs.txt").read_bytes())
    fox, bird = json_by_job(done)
    assert (done.code, done.err) == (0, "")
    assert list(fox) == [*envelope(Result(ok=True, backend="codex")), "job", "prompt", "out", "status"]
    assert (fox["job"], fox["out"], fox["status"]) == (1, str(world.work / "sub/fox.jpg"), "made")
    assert (bird["job"], bird["out"], bird["status"]) == (2, str(world.work / "0002.png"), "made")
    with Image.open(world.work / "sub/fox.jpg") as image:
        assert image.format == "JPEG"
    with Image.open(world.work / "0002.png") as image:
        assert image.size == (100, 50)
    assert len(world.standin.calls_to("/images/edits")) == 1


def test_wrong_jobs_and_options_are_refused_before_anything_is_spent(lab: Labs) -> None:
    world = lab(script=BatchScript())
    cases = (
        ([{"prompt": "a"}, {"promt": "b"}], (), 2, "line 2: 'promt' is not a key of a job"),
        ([{"prompt": "a"}, {"prompt": "b", "refs": ["no.png"]}], (), 4, "line 2: the reference 'no.png'"),
        (["a"], ("--jobs", "0"), 2, "--jobs can't be 0"),
        (["a"], ("--size", "no"), 2, "line 1: --size can't be"),
        (["a"], ("--backend", "no"), 2, "line 1: there is no backend"),
        ([""], (), 2, "there are no jobs"),
    )
    for number, (jobs, more, code, words) in enumerate(cases):
        run = world.run if number == 0 else world.call
        done = run("batch", write_jobs(world, *jobs), "--json", "--out-dir", "new", *more)  # type: ignore[arg-type]
        error = done.json["error"]
        assert (done.code, error["exit_code"], error["spent"]) == (code, code, False)
        assert words in error["message"]
        assert len(done.err.splitlines()) == 1
    nothing = world.call("batch", "none.txt")
    folder = world.call("batch", ".")
    write_jobs(world, "a fox")
    missing = world.run_argv([COMMAND, "batch", "jobs.txt", "--codex", "./none"])
    assert (missing.code, nothing.code, folder.code) == (3, 2, 2)
    assert "can't be read" in nothing.err
    assert "can't be read" in folder.err
    assert not (world.work / "new").exists()
    assert not journal_path(world).exists()
    assert picture_turns(world) == 0


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.every_build)], ids=["recorded", "real"])
def test_codex_that_is_too_old_starts_no_job(lab: Labs, real: bool) -> None:
    """The stand-in prints what 0.107.0 prints, and counts its starts."""
    world = lab(builds.TOO_OLD if real else builds.NEWEST, script=BatchScript())
    words = (recorded_runs.ROOT / f"{builds.TOO_OLD}-too-old" / "stderr").read_text().strip()
    codex, started = world.tmp / "codex", world.tmp / "started"
    codex.write_text(f"#!/bin/sh\necho >> '{started}'\necho '{words}' >&2\nexit 1\n")
    codex.chmod(0o755)
    given = str(builds.codex(builds.TOO_OLD)) if real else str(codex)
    jobs = write_jobs(world, "a fox", "a bird", "an owl")
    done = call(
        *("batch", jobs, "--json", "--jobs", "1", "--codex", given), environment=world.environment, folder=world.work
    )
    assert (done.code, statuses(done)) == (3, ["not-started"] * 3)
    assert real or started.read_text() == "\n"
    assert {answer["error"]["code"] for answer in json_by_job(done)} == {"codex-too-old"}
    sum_line, error = done.err.splitlines()
    assert sum_line.startswith("codex-imagegen: 3 not started · ")
    assert "3 of 3 jobs are left" in error
    assert_clean(world)


@pytest.mark.every_build
def test_existing_file_fails_its_job_unless_it_is_the_jobs_own_picture(lab: Labs) -> None:
    """A picture that was changed later is no longer the job's own, see test_worker.py."""
    world = lab(script=BatchScript())
    (world.work / "0002.png").write_bytes(b"somebody else's")
    done = world.run("batch", write_jobs(world, "a fox", "an owl"), "--json")
    assert (done.code, statuses(done)) == (1, ["made", "failed"])
    assert json_by_job(done)[1]["error"]["code"] == "out-exists"
    assert done.err.startswith("codex-imagegen: line 2: ")
    assert picture_turns(world) == 1
    # another prompt at the place of a picture; one that was deleted
    (world.work / "0002.png").unlink()
    done = world.call("batch", write_jobs(world, "a wolf", "an owl"), "--json")
    found = json_by_job(done)
    assert [answer["status"] for answer in found] == ["failed", "made"]
    assert [answer["error"] and answer["error"]["code"] for answer in found] == ["out-exists", None]
    assert picture_turns(world) == 2
    assert (world.work / "0001.png").read_bytes() == small_png("a fox")
    (world.work / "0002.png").unlink()
    done = world.call("batch", "jobs.txt", "--force")
    assert (done.code, picture_turns(world)) == (0, 4)
    assert [(world.work / f"{n:04d}.png").read_bytes() for n in (1, 2)] == [small_png("a wolf"), small_png("an owl")]


def test_usage_limit_leaves_the_rest_and_the_printed_command_goes_on(lab: Labs) -> None:
    script = BatchScript(quota=1)
    world, prompts = lab(script=script), [f"picture {n}" for n in range(3)]
    done = world.run("batch", write_jobs(world, *prompts), "--jobs", "1", "--json")
    drawn, *found = json_by_job(done)
    assert (done.code, drawn["status"], [answer["status"] for answer in found]) == (
        1,
        "made",
        ["not-started", "not-started"],
    )
    assert picture_turns(world) == 2
    assert {answer["error"]["code"] for answer in found} == {"usage-limit"}
    assert {answer["error"]["resets_at"] for answer in found} == {script.limit.resets_at}
    sum_line, line = done.err.splitlines()
    assert sum_line.startswith("codex-imagegen: 1 made, 2 not started · ")
    assert "2 of 3 jobs are left" in line
    when = time.strftime("%H:%M", time.localtime(-(-script.limit.resets_at // 60) * 60))
    command = re.search(rf"\(at {when} \(in [^)]*\) go on with: (.*)\)$", line)
    assert command, line
    assert all(f"\n{command[1]}" in answer["error"]["hint"] for answer in found)
    script.quota = 1000
    words = shlex.split(command[1])
    assert words[0] == "codex-imagegen"
    done = world.run_argv([COMMAND, *words[1:]])
    assert (done.code, statuses(done)) == (0, ["skipped", "made", "made"])
    assert_each_drawn_once(world, prompts)


def test_failed_job_is_reported_again_and_retried_only_when_asked(lab: Labs) -> None:
    script = BatchScript()
    world = lab(script=script)
    done = world.run("batch", write_jobs(world, "a fox", "a bad owl"), "--json")
    assert (done.code, statuses(done)) == (1, ["made", "failed"])
    error = json_by_job(done)[1]["error"]
    assert (error["code"], error["spent"]) == ("moderation", True)
    spent = picture_turns(world)
    again = world.call("batch", "jobs.txt", "--json")
    assert (again.code, statuses(again)) == (1, ["skipped", "failed"])
    repeated = json_by_job(again)[1]["error"]
    assert (repeated["code"], repeated["message"], repeated["spent"]) == ("moderation", error["message"], False)
    assert "--retry-failed" in repeated["hint"]
    failure, sum_line = again.err.splitlines()
    assert failure.endswith("(try it again with --retry-failed)")
    assert re.fullmatch(r"codex-imagegen: 1 skipped, 1 failed · \d+ s", sum_line)
    assert picture_turns(world) == spent
    script.blocks = False
    done = world.call("batch", "jobs.txt", "--json", "--retry-failed")
    assert (done.code, statuses(done), picture_turns(world)) == (0, ["skipped", "made"], spent + 1)


def test_batch_from_stdin_goes_on_with_the_same_standard_input(lab: Labs) -> None:
    world = lab(script=BatchScript(quota=1))
    done = world.call("batch", "-", "--jobs", "1", "--json", stdin=b"a fox\nan owl\n")
    hint = json_by_job(done)[1]["error"]["hint"]
    assert ") go on, with the same standard input, with:\ncodex-imagegen batch - " in hint
    assert ") go on, with the same standard input, with: codex-imagegen batch - " in done.err


@pytest.mark.every_build
def test_failed_job_of_an_earlier_batch_is_retried_by_the_printed_command(lab: Labs) -> None:
    world = lab(script=FailsOnce())
    first = world.call("batch", write_jobs(world, "a fox", "an owl"), "--jobs", "1")
    again = world.call("batch", "jobs.txt", "--jobs", "1")
    failure, sum_line = again.err.splitlines()
    assert (first.code, again.code) == (1, 1)
    assert "--retry-failed" not in failure
    command = re.fullmatch(
        r"codex-imagegen: 1 skipped, 1 failed · \d s \(try the failed jobs again with: (.*)\)", sum_line
    )
    assert command, sum_line
    done = world.run_argv([COMMAND, *shlex.split(command[1])[1:]])
    assert done.code == 0
    assert re.fullmatch(r"codex-imagegen: 1 skipped, 1 made · \d+ s\n", done.err)
    assert pictures_asked(world) == {"a fox": 2, "an owl": 1}


@pytest.mark.every_build
def test_rate_limit_is_waited_out(lab: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/runner checks the length of the pause; here it is short."""
    assert next(attempts.Backoff().pauses(lambda _low, _high: 1.0)) == 4.0
    pauses: list[float] = []
    start = attempts.Pause.start
    monkeypatch.setattr(attempts.Pause, "start", lambda pause, seconds: (pauses.append(seconds), start(pause, 0.05))[1])
    world = lab(script=BatchScript(rate_limited=1))
    done = world.call("batch", write_jobs(world, "a fox"), "--quiet")
    assert (done.code, done.err) == (0, "")
    assert len(pauses) == 1
    assert 3 <= pauses[0] <= 5
    assert pictures_asked(world) == {"a fox": 2}
    events = [record["event"] for record in records(world)]
    assert events == ["started", "thread", "dropped", "started", "thread", "done"]


def test_second_batch_on_the_same_journal_is_refused(lab: Labs) -> None:
    script = BatchScript(held="fox")
    world = lab(script=script)
    first = world.start("batch", write_jobs(world, "a fox"), "--quiet")
    wait_until(lambda: pictures_asked(world), "the picture to be asked for")
    second = world.run("batch", "jobs.txt", "--json")
    assert (second.code, second.json["error"]["code"]) == (2, "usage")
    assert "another batch is running" in second.err
    assert len(second.err.splitlines()) == 1
    script.free.set()
    _out, err = first.communicate(timeout=60)
    assert (first.returncode, err) == (0, b"")
    assert pictures_asked(world) == {"a fox": 1}


@pytest.mark.parametrize("signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.every_build)])
def test_interrupted_batch_cleans_up_and_the_next_goes_on(lab: Labs, signum: int) -> None:
    script = BatchScript(held="picture")
    world, prompts = lab(script=script), [f"picture {n}" for n in range(3)]
    running = world.start("batch", write_jobs(world, *prompts), "--jobs", "2")
    wait_until(lambda: sum(pictures_asked(world).values()) == 2, "two pictures to be drawn")
    running.send_signal(signum)
    _out, err = running.communicate(timeout=60)
    assert running.returncode == 128 + signum
    sum_line, error = err.decode().splitlines()
    assert re.fullmatch(r"codex-imagegen: 3 not finished · \d+ s", sum_line)
    assert "go on with: codex-imagegen batch jobs.txt" in error
    assert_clean(world)
    script.free.set()
    done = world.call("batch", "jobs.txt")
    assert done.code == 0
    for number, prompt in enumerate(prompts, 1):
        assert (world.work / f"{number:04d}.png").read_bytes() == small_png(prompt)
    assert_clean(world)


def test_picture_is_found_again_at_any_missing_record(lab: Labs) -> None:
    """Simulates a kill at each step by removing the later records from the journal."""
    world, prompts = lab(script=BatchScript()), ["a fox", "a bird"]
    assert world.run("batch", write_jobs(world, *prompts)).code == 0
    windows: list[tuple[tuple[str, ...], bool]] = [
        (("done",), False),  # after the picture was written
        (("done",), True),  # after it was made, before it was written
        (("done", "thread"), True),  # before the thread was known
        (("done", "thread"), False),
    ]
    for events, lost in windows:
        remove_events(world, *events)
        if lost:
            (world.work / "0001.png").unlink()
        done = world.call("batch", "jobs.txt", "--json")
        assert (done.code, set(statuses(done))) == (0, {"recovered"}), (events, lost, done)
    assert_each_drawn_once(world, prompts)
    # another file in the place of a picture that was made
    remove_events(world, "done")
    (world.work / "0001.png").write_bytes(b"another's")
    done = world.call("batch", "jobs.txt", "--json")
    assert (done.code, statuses(done)) == (1, ["failed", "recovered"])
    assert (world.work / "0001.png").read_bytes() == b"another's"
    # and a session that is gone: there is nothing to be found, and the picture is made anew
    (world.work / "0001.png").unlink()
    for rollout in world.rollouts():
        rollout.unlink()
    for picture in (world.home / "generated_images").rglob("*.png"):
        picture.unlink()
    done = world.call("batch", "jobs.txt", "--json")
    assert (done.code, statuses(done), picture_turns(world)) == (0, ["made", "skipped"], 3)


class WaitsForTerminal(BatchScript):
    """Ends no picture before the terminal has shown the running jobs."""

    def __init__(self) -> None:
        super().__init__()
        self.owl, self.fox = threading.Event(), threading.Event()

    def picture(self, call: Call) -> Reply:
        (self.owl if "owl" in call.json["prompt"] else self.fox).wait(60)
        return super().picture(call)


def test_terminal_shows_jobs_done_running_and_failed(lab: Labs) -> None:
    script = WaitsForTerminal()
    world = lab(script=script)
    ours, theirs = pty.openpty()
    try:
        running = subprocess.Popen(
            world.argv("batch", write_jobs(world, "a fox", "a bad owl")),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, cwd=world.work,
            env={**world.environment, "TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        os.close(theirs)
        shown = _read(ours, {"0/2 done · 2 running": script.owl.set, "1/2 done · 1 running": script.fox.set})
    finally:
        os.close(ours)
    out = running.communicate(timeout=60)[0].decode()
    assert (running.returncode, out) == (1, f"{world.work / '0001.png'}\n")
    assert re.search(r"0/2 done · 2 running · 0:\d\d", shown)
    assert re.search(r"1/2 done · 1 running( · 1 failed)? · 0:\d\d · about \d:\d\d left", shown)
    assert "codex-imagegen: line 2: " in shown
    assert re.search(r"\r1 made, 1 failed · \d+ s\r\n$", shown)


def _read(descriptor: int, then: dict[str, Callable[[], None]]) -> str:
    """The text that a terminal shows until its other end is closed; ``then`` is called when text has appeared."""
    data, text = b"", ""
    for _ in range(10_000):
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # the other end has gone
            break
        if not part:
            break
        data += part
        text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", data.decode(errors="replace"))
        for words, act in then.items():
            if words in text:
                act()
    return text


def test_help_names_every_option(lab: Labs) -> None:
    shown = lab(offline=True).run_argv([COMMAND, "batch", "--help"])
    assert shown.code == 0
    for option in ("--out-dir", "--jobs", "--retry-failed", "--json", "--codex", "--size", "--quiet"):
        assert option in shown.text
    assert "batch" in COMMANDS
