"""``codex-imagegen batch`` through the installed command and the real Codex: what it prints, and what it spends."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable

import pytest
from PIL import Image

from codex_imagegen.cli.main import COMMANDS
from codex_imagegen.outcome import Result
from codex_imagegen.report import envelope
from tests.batch.worlds import Moody, answers, asked, assert_clean, forget, journal, statuses, write
from tests.support import builds
from tests.support.checks import made
from tests.support.lab import COMMAND, Lab
from tests.support.pictures import encoded

Labs = Callable[..., Lab]
pytestmark = pytest.mark.real


def settled(lab: Lab, prompts: list[str], folder: str = ".") -> None:
    """Every picture is there and right, each was asked for once, and nothing is left."""
    names = [f"{number:04d}.png" for number in range(1, len(prompts) + 1)]
    assert [(lab.work / folder / name).read_bytes() for name in names] == [made(prompt) for prompt in prompts]
    assert asked(lab) == dict.fromkeys(prompts, 1)
    assert_clean(lab)


def test_a_list_becomes_pictures_and_is_done_once(lab: Labs) -> None:
    world, prompts = lab(script=Moody()), ["a red fox", "a blue bird", "an owl -- at 'night'"]
    done = world.run("batch", write(world, *prompts), "--out-dir", "out")
    assert (done.code, done.err) == (0, "")
    assert sorted(done.text.splitlines()) == [str(world.work / f"out/{n:04d}.png") for n in (1, 2, 3)]
    settled(world, prompts, "out")
    assert world.model_calls == 3
    again = world.run("batch", "jobs.txt", "--out-dir", "out", "--json")
    assert (again.code, again.err, statuses(again)) == (0, "", ["there"] * 3)
    assert [answer["images"][0]["path"] for answer in answers(again)] == sorted(done.text.splitlines())
    assert world.model_calls == 3


def test_each_job_s_own_words_count_and_one_object_is_printed_as_it_ends(lab: Labs) -> None:
    world = lab(script=Moody())
    (world.work / "a, b.png").write_bytes(encoded())
    write(
        world,
        {"prompt": "a fox", "out": "sub/fox.jpg", "ref": "a, b.png"},
        {"prompt": "a bird", "size": "100x50", "fit": True},
        name="jobs.jsonl",
    )
    done = world.run("batch", "jobs.jsonl", "--json")
    fox, bird = answers(done)
    assert (done.code, done.err) == (0, "")
    assert list(fox) == [*envelope(Result(ok=True, backend="codex")), "job", "out", "status"]
    assert (fox["job"], fox["out"], fox["status"]) == (1, str(world.work / "sub/fox.jpg"), "made")
    assert (bird["job"], bird["out"], bird["status"]) == (2, str(world.work / "0002.png"), "made")
    with Image.open(world.work / "sub/fox.jpg") as image:
        assert image.format == "JPEG"
    with Image.open(world.work / "0002.png") as image:
        assert image.size == (100, 50)
    assert len(world.standin.to("/images/edits")) == 1


def test_jobs_may_come_from_stdin(lab: Labs) -> None:
    world = lab(script=Moody())
    done = world.run("batch", "-", "--json", stdin=b'{"prompt": "a fox", "out": "fox.png"}\n')
    assert statuses(done) == ["made"]
    assert (world.work / "fox.png").read_bytes() == made("a fox")


def test_what_is_wrong_is_told_before_anything_is_spent(lab: Labs) -> None:
    world = lab(script=Moody())
    cases = (
        ([{"prompt": "a"}, {"promt": "b"}], (), 2, "line 2: 'promt' is no key of a job"),
        ([{"prompt": "a"}, {"prompt": "b", "refs": ["no.png"]}], (), 4, "line 2: the reference 'no.png'"),
        (["a"], ("--jobs", "0"), 2, "--jobs can't be 0"),
        (["a"], ("--size", "no"), 2, "line 1: --size can't be"),
        (["a"], ("--backend", "no"), 2, "line 1: there is no backend"),
        ([""], (), 2, "there are no jobs"),
    )
    for jobs, more, code, words in cases:
        done = world.run("batch", write(world, *jobs), "--json", "--out-dir", "new", *more)  # type: ignore[arg-type]
        error = done.json["error"]
        assert (done.code, error["exit_code"], error["spent"]) == (code, code, False)
        assert words in error["message"]
        assert len(done.err.splitlines()) == 1
    nothing = world.run("batch", "none.txt")
    folder = world.run("batch", ".")
    write(world, "a fox")
    missing = world.run_argv([COMMAND, "batch", "jobs.txt", "--codex", "./none"])
    assert (missing.code, nothing.code, folder.code) == (3, 2, 2)
    assert "can't be read" in nothing.err + folder.err
    assert not (world.work / "new").exists()
    assert not journal(world).exists()
    assert world.model_calls == 0


@pytest.mark.every_build
def test_a_codex_that_is_too_old_ends_all_at_once(lab: Labs) -> None:
    world = lab(builds.TOO_OLD, script=Moody())
    done = world.run("batch", write(world, "a fox", "a bird", "an owl"), "--json", "--jobs", "1")
    assert (done.code, statuses(done)) == (3, ["left"] * 3)
    assert {answer["error"]["code"] for answer in answers(done)} == {"codex-too-old"}
    assert "3 of 3 jobs are left" in done.err
    assert len(done.err.splitlines()) == 1
    assert_clean(world)


def test_only_its_own_bytes_are_skipped(lab: Labs) -> None:
    world = lab(script=Moody())
    (world.work / "0003.png").write_bytes(b"somebody else's")
    done = world.run("batch", write(world, "a fox", "a bird", "an owl"), "--json")
    assert (done.code, statuses(done)) == (1, ["made", "made", "failed"])
    assert answers(done)[2]["error"]["code"] == "out-exists"
    assert done.err.startswith("codex-imagegen: line 3: ")
    assert world.model_calls == 2
    # another prompt at the place of a picture; one that was changed; one that was deleted
    (world.work / "0002.png").write_bytes(encoded())
    (world.work / "0003.png").unlink()
    done = world.run("batch", write(world, "a wolf", "a bird", "an owl"), "--json")
    found = answers(done)
    assert [answer["status"] for answer in found] == ["failed", "failed", "made"]
    assert [answer["error"] and answer["error"]["code"] for answer in found] == ["out-exists", "out-exists", None]
    assert world.model_calls == 3
    assert (world.work / "0001.png").read_bytes() == made("a fox")
    (world.work / "0003.png").unlink()
    done = world.run("batch", "jobs.txt", "--force")
    assert (done.code, world.model_calls) == (0, 6)
    settled_now = [(world.work / f"{n:04d}.png").read_bytes() for n in (1, 2, 3)]
    assert settled_now == [made("a wolf"), made("a bird"), made("an owl")]


def test_the_usage_limit_ends_the_spending_and_the_printed_command_goes_on(lab: Labs) -> None:
    script = Moody(quota=2)
    world, prompts = lab(script=script), [f"picture {n}" for n in range(5)]
    done = world.run("batch", write(world, *prompts), "--jobs", "1", "--json")
    found = answers(done)
    assert (done.code, [answer["status"] for answer in found]) == (1, ["made", "made", "left", "left", "left"])
    assert world.model_calls == 3
    assert {answer["error"]["code"] for answer in found[2:]} == {"usage-limit"}
    assert {answer["error"]["resets_at"] for answer in found[2:]} == {script.limit.resets_at}
    (line,) = done.err.splitlines()
    assert "3 of 5 jobs are left" in line
    when = time.strftime("after %Y-%m-%d %H:%M", time.localtime(script.limit.resets_at))
    told = re.search(rf"\({when} go on with: (.*)\)$", line)
    assert told, line
    assert all(told[1] in answer["error"]["hint"] for answer in found[2:])
    script.quota = 1000
    words = shlex.split(told[1])
    assert words[0] == "codex-imagegen"
    done = world.run_argv([COMMAND, *words[1:]])
    assert (done.code, statuses(done)) == (0, ["there", "there", "made", "made", "made"])
    assert world.model_calls == 6
    settled(world, prompts)


def test_what_failed_is_told_again_and_tried_again_only_when_asked(lab: Labs) -> None:
    script = Moody()
    world = lab(script=script)
    done = world.run("batch", write(world, "a fox", "a bad owl"), "--json")
    assert (done.code, statuses(done)) == (1, ["made", "failed"])
    error = answers(done)[1]["error"]
    assert (error["code"], error["spent"]) == ("moderation", True)
    spent = world.model_calls
    again = world.run("batch", "jobs.txt", "--json")
    assert (again.code, statuses(again)) == (1, ["there", "failed"])
    told = answers(again)[1]["error"]
    assert (told["code"], told["message"], told["spent"]) == ("moderation", error["message"], False)
    assert "--retry-failed" in told["hint"]
    assert len(again.err.splitlines()) == 1
    assert world.model_calls == spent
    script.strict = False
    done = world.run("batch", "jobs.txt", "--json", "--retry-failed")
    assert (done.code, statuses(done), world.model_calls) == (0, ["there", "made"], spent + 1)


def test_a_rate_limit_is_waited_out(lab: Labs) -> None:
    world = lab(script=Moody(limited=1))
    done = world.run("batch", write(world, "a fox"))
    assert (done.code, done.err) == (0, "")
    assert done.seconds > 3
    assert asked(world) == {"a fox": 2}
    events = [json.loads(line).get("event") for line in journal(world).read_text().splitlines()[1:]]
    assert events == ["started", "thread", "dropped", "started", "thread", "done"]


def test_a_second_batch_on_the_same_journal_is_refused(lab: Labs) -> None:
    world = lab(script=Moody(draw_sec=2.0))
    first = world.start("batch", write(world, "a fox"))
    until = time.monotonic() + 20
    while not journal(world).exists() and time.monotonic() < until:
        time.sleep(0.02)
    second = world.run("batch", "jobs.txt", "--json")
    assert (second.code, second.json["error"]["code"]) == (2, "usage")
    assert "another batch is at work" in second.err
    assert len(second.err.splitlines()) == 1
    _out, err = first.communicate(timeout=30)
    assert (first.returncode, err) == (0, b"")
    assert asked(world) == {"a fox": 1}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cleans_up_and_the_journal_goes_on(lab: Labs, signum: int) -> None:
    world = lab(script=Moody(draw_sec=1.0))
    running = world.start("batch", write(world, "a fox", "a bird", "an owl"))
    until = time.monotonic() + 20
    while sum(asked(world).values()) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signum)
    _out, err = running.communicate(timeout=20)
    assert running.returncode == 128 + signum
    assert err.decode().count("\n") == 1
    assert "go on with: codex-imagegen batch jobs.txt" in err.decode()
    assert_clean(world)
    world.standin.script.draw_sec = 0
    done = world.run("batch", "jobs.txt")
    assert done.code == 0
    for number, prompt in enumerate(("a fox", "a bird", "an owl"), 1):
        assert (world.work / f"{number:04d}.png").read_bytes() == made(prompt)
    assert_clean(world)


def test_whatever_the_journal_missed_is_found_again(lab: Labs) -> None:
    """Each window of a kill by itself: what was not written any more is taken out of the journal afterwards."""
    world, prompts = lab(script=Moody()), ["a fox", "a bird"]
    assert world.run("batch", write(world, *prompts)).code == 0
    windows: list[tuple[tuple[str, ...], bool]] = [
        (("done",), False),  # after the picture was written
        (("done",), True),  # after it had landed, before it was written
        (("done", "thread"), True),  # before the thread was known
        (("done", "thread"), False),
    ]
    for events, lost in windows:
        forget(world, *events)
        if lost:
            (world.work / "0001.png").unlink()
        done = world.run("batch", "jobs.txt", "--json")
        assert (done.code, set(statuses(done))) == (0, {"recovered"}), (events, lost, done)
        settled(world, prompts)
    assert world.model_calls == 2
    # another's file at the place of a picture that landed
    forget(world, "done")
    (world.work / "0001.png").write_bytes(b"another's")
    done = world.run("batch", "jobs.txt", "--json")
    assert (done.code, statuses(done)) == (1, ["failed", "recovered"])
    assert (world.work / "0001.png").read_bytes() == b"another's"
    # and a session that is gone: there is nothing to be found, and the picture is made anew
    (world.work / "0001.png").unlink()
    for rollout in world.rollouts():
        rollout.unlink()
    for picture in (world.home / "generated_images").rglob("*.png"):
        picture.unlink()
    done = world.run("batch", "jobs.txt", "--json")
    assert (done.code, statuses(done), world.model_calls) == (0, ["made", "there"], 3)


def test_a_terminal_shows_how_it_goes(lab: Labs) -> None:
    world = lab(script=Moody(draw_sec=1.0))
    ours, theirs = pty.openpty()
    try:
        running = subprocess.Popen(
            world.argv("batch", write(world, "a fox", "a bad owl")),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, cwd=world.work,
            env={**world.environment, "TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        os.close(theirs)
        shown = _read(ours)
    finally:
        os.close(ours)
    out = running.communicate(timeout=30)[0].decode()
    assert (running.returncode, out) == (1, f"{world.work / '0001.png'}\n")
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    assert re.search(r"0/2 done · 2 running · 0 failed · 0:0\d", text)
    assert re.search(r"1/2 done · 1 running · [01] failed · 0:0\d · about 0:0\d left", text)
    assert "codex-imagegen: line 2: " in text


def _read(descriptor: int) -> str:
    parts = []
    for _ in range(10_000):
        try:
            parts.append(os.read(descriptor, 65536))
        except OSError:  # the other end has gone
            break
        if not parts[-1]:
            break
    return b"".join(parts).decode(errors="replace")


def test_the_help_names_every_option_and_the_list_of_commands_has_it(lab: Labs) -> None:
    shown = lab().run_argv([COMMAND, "batch", "--help"])
    assert shown.code == 0
    for option in ("--out-dir", "--jobs", "--retry-failed", "--json", "--codex", "--size", "--quiet"):
        assert option in shown.text
    assert "batch" in COMMANDS
