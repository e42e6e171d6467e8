"""A batch that resumes interrupted runs, with the real Codex: nothing is drawn twice, whatever has changed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.codex.run.workspace import PREFIX
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
from tests.support.checks import picture_turns, processes, small_png, wait_until
from tests.support.lab import Lab

Labs = Callable[..., Lab]
pytestmark = pytest.mark.real
PLANTED = PREFIX + "0123456789abcdef"


def rewrite(lab: Lab, *changed: dict[str, Any]) -> None:
    """Replace the journal's records."""
    header = journal_path(lab).read_text().splitlines()[0]
    journal_path(lab).write_text("\n".join([header, *map(json.dumps, changed), ""]))


@pytest.mark.every_build
def test_prompt_that_fills_a_journal_line_is_drawn_once(lab: Labs) -> None:
    """test_worker.py checks the same without Codex."""
    world = lab(script=BatchScript())
    prompt = "".join(chr(0x4E00 + number % 20_000) for number in range(720_000))
    assert statuses(world.run("batch", write_jobs(world, {"prompt": prompt}), "--json")) == ["made"]
    assert journal_path(world).stat().st_size > 4 * 1024 * 1024
    again = world.run("batch", "jobs.txt", "--json")
    assert (again.code, statuses(again), picture_turns(world)) == (0, ["skipped"], 1)
    assert json_by_job(again)[0]["images"][0]["revised_prompt"] == prompt


@pytest.mark.parametrize(
    "closed", [("<&-", ">&-", "2>&-"), pytest.param(("2>&-",), marks=pytest.mark.every_build)], ids=" ".join
)
def test_batch_killed_without_standard_streams_draws_once(lab: Labs, closed: tuple[str, ...]) -> None:
    """Codex goes on without the batch, and the next batch waits for the lock that it holds."""
    script = BatchScript(held="fox")
    world = lab(script=script)
    command = shlex.join(world.argv("batch", write_jobs(world, "a fox"), "--quiet"))
    running = subprocess.Popen(
        ["sh", "-c", f"exec {command} {' '.join(closed)}"], cwd=world.work, env=world.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_until(lambda: pictures_asked(world), "the picture to be drawn")
    os.kill(running.pid, signal.SIGKILL)
    running.wait(10)
    before = journal_path(world).read_bytes()
    next_one = world.start("batch", "jobs.txt", "--json", "--quiet")
    wait_until(lambda: len(processes(world, wait=False)) > 1, "the next batch to begin")
    script.free.set()
    out, err = next_one.communicate(timeout=60)
    assert (next_one.returncode, err, json.loads(out)["status"]) == (0, b"", "recovered")
    assert pictures_asked(world) == {"a fox": 1}
    assert journal_path(world).read_bytes().startswith(before)
    assert (world.work / "0001.png").read_bytes() == small_png("a fox")
    wait_until(lambda: not processes(world, wait=False), "the Codex that was left behind to end")
    assert statuses(world.call("batch", "jobs.txt", "--json")) == ["skipped"]
    assert_clean(world)


@pytest.mark.parametrize(
    ("then", "now"), [("XXX-14", "XXX+12"), pytest.param("XXX+12", "XXX-14", marks=pytest.mark.every_build)]
)
def test_session_is_found_after_a_change_of_time_zone_or_clock(lab: Labs, then: str, now: str) -> None:
    world = lab(script=BatchScript())
    assert world.run("batch", write_jobs(world, "a fox"), env={"TZ": then}).code == 0
    remove_events(world, "done", "thread")
    started = records(world)
    for back_sec in (0.0, 60.0, 40 * 86_400.0):
        (world.work / "0001.png").unlink()
        rewrite(world, *({**record, "at": record["at"] + back_sec} for record in started))
        done = world.run("batch", "jobs.txt", "--json", env={"TZ": now})
        assert (done.code, statuses(done)) == (0, ["recovered"]), back_sec
    assert pictures_asked(world) == {"a fox": 1}


BROKEN = ["x", [], None, True, 10**400, float("nan"), "\ud800"]


def test_any_value_in_a_journal_record_is_handled(lab: Labs) -> None:
    """The session is found all the same. Without the folder that identifies it or the job's end, the job is run again.

    Every field with any value, without Codex: test_journal.py.
    """
    world = lab(script=BatchScript())
    assert world.run("batch", write_jobs(world, "a fox")).code == 0
    started, thread, done = records(world)
    cases = [
        (field, value, "recovered", [{**started, field: value}, {**thread, field: value}])
        for field in ("at", "thread_id", "line")
        for value in BROKEN
    ]
    cases += [("folder", value, "made", [{**started, "folder": value}, thread]) for value in ("x", [])]
    cases.append(("images", "x", "made", [started, thread, {**done, "images": "x"}]))
    cases.append(("error", [], "made", [started, thread, {**done, "event": "failed", "error": []}]))
    for field, value, status, lines in cases:
        (world.work / "0001.png").unlink()
        rewrite(world, *lines)
        again = world.call("batch", "jobs.txt", "--json", "--quiet")
        assert (again.code, again.err, statuses(again)) == (0, "", [status]), (field, value, again)
        assert (world.work / "0001.png").read_bytes() == small_png("a fox")


def test_only_folders_proven_to_be_ours_are_swept(lab: Labs) -> None:
    world = lab(script=BatchScript())
    assert world.run("batch", write_jobs(world, "a fox")).code == 0
    folders = [world.work / PLANTED, world.tmp / PLANTED, world.tmp / (PREFIX + "photos"), world.home / PLANTED]
    for folder in folders:
        folder.mkdir()
        (folder / "mine.txt").write_text("mine")
    elsewhere = world.work / (PREFIX + "f" * 16)
    elsewhere.mkdir()
    (world.tmp / (PREFIX + "e" * 16)).symlink_to(folders[0])
    named: list[Path] = [*folders, elsewhere, world.tmp / (PREFIX + "e" * 16)]
    left = world.tmp / (PREFIX + "d" * 16)  # what a run that was killed has left
    left.mkdir()
    copies = world.tmp / ("codex-imagegen-ref-" + "d" * 16)
    copies.mkdir()
    (copies / "1.png").write_bytes(b"a copy")
    with journal_path(world).open("a") as file:
        for number, path in enumerate([*named, left]):
            file.write(json.dumps({"event": "started", "job": f"{number:032x}", "folder": str(path)}) + "\n")
    assert statuses(world.call("batch", "jobs.txt", "--json")) == ["skipped"]
    assert all((folder / "mine.txt").exists() for folder in folders)
    assert all(os.path.lexists(path) for path in named)
    assert not left.exists()
    assert not copies.exists()


def test_batch_with_a_subcommand_of_codex_is_refused(lab: Labs) -> None:
    world, thread = lab(script=BatchScript()), "019a0000-0000-7000-8000-000000000001"
    write_jobs(world, "a fox", "an owl")
    for word, message in (("resume", "--codex-arg resume "), ("fork", "codex exec fork makes no ")):
        write_jobs(world, {"prompt": "a fox"}, {"prompt": "an owl", "codex_args": [word, thread]}, name="one.jsonl")
        for arguments, before in (
            (("one.jsonl",), "line 2: "),
            (("jobs.txt", "--codex-arg", word, "--codex-arg", thread), ""),
            (("jobs.txt", "--codex-arg", "--oss", "--codex-arg", word), ""),
        ):
            done = world.call("batch", *arguments, "--json")
            assert (done.code, done.json["error"]["code"]) == (2, "usage")
            assert done.json["error"]["message"].startswith(before + message)
    assert (picture_turns(world), journal_path(world).exists()) == (0, False)
    value = ("--codex-arg", "--output-last-message", "--codex-arg", "resume")  # here it is the value of an option
    assert world.run("batch", write_jobs(world, "a fox"), *value).code == 0
