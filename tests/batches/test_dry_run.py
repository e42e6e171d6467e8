"""``batch --dry-run``: the journal is read, and nothing else happens."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.batches import BatchScript, journal_path, json_by_job, statuses, write_jobs
from tests.support.lab import Lab
from tests.support.pictures import encoded

pytestmark = pytest.mark.real


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_dry_run_of_a_batch_says_what_is_left_of_it(lab: Callable[..., Lab]) -> None:
    world = lab(script=BatchScript())
    world.call("batch", write_jobs(world, "a fox", "a bad owl"))
    (world.work / "0004.png").write_bytes(encoded())
    write_jobs(world, "a fox", "a bad owl", "a hare", "a lynx")
    before, calls = contents(world.work), len(world.standin.calls)
    done = world.call("batch", "jobs.txt", "--dry-run", "--json")
    assert (done.code, statuses(done)) == (1, ["skipped", "failed", "not-started", "failed"])
    answers = json_by_job(done)
    assert [answer["dry_run"] for answer in answers] == [True] * 4
    assert [answer["images"] for answer in answers] == [[]] * 4
    assert [[each["path"] for each in answer["planned"]] for answer in answers] == [
        [], [], [str(world.work / "0003.png")], []
    ]  # fmt: skip
    assert [answer["error"] and answer["error"]["code"] for answer in answers] == [
        None,
        "moderation",
        None,
        "out-exists",
    ]
    assert done.err.splitlines()[-1].endswith("Jobs: 1 made before, 1 to make, 2 would fail.")
    retried = world.call("batch", "jobs.txt", "--dry-run", "--retry-failed", "--force")
    assert (retried.code, retried.out) == (0, b"")
    assert retried.err.splitlines() == [
        f"line 2: {world.work}/0002.png",
        f"line 3: {world.work}/0003.png",
        f"line 4: {world.work}/0004.png (replaces the file that is there)",
        "codex-imagegen: dry run: nothing was sent or written. Jobs: 1 made before, 3 to make.",
    ]
    assert (contents(world.work), len(world.standin.calls)) == (before, calls)


def test_dry_run_beside_a_running_batch_reads_its_journal(lab: Callable[..., Lab]) -> None:
    world = lab(script=BatchScript())
    world.call("batch", write_jobs(world, "a fox"))
    with journal_path(world).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert statuses(world.call("batch", "jobs.txt", "--dry-run", "--json")) == ["skipped"]
    assert statuses(world.call("batch", "jobs.txt", "--json")) == ["skipped"]  # nothing is locked


def test_dry_run_of_a_cut_off_job_would_fetch_it(lab: Callable[..., Lab]) -> None:
    world = lab(script=BatchScript())
    world.call("batch", write_jobs(world, "a fox"))
    lines = journal_path(world).read_text().splitlines(keepends=True)
    journal_path(world).write_text("".join(line for line in lines if json.loads(line).get("event") != "done"))
    (answer,) = json_by_job(world.call("batch", "jobs.txt", "--dry-run", "--json"))
    assert (answer["status"], answer["planned"][0]["action"]) == ("not-started", "fetch")


def test_dry_run_into_a_missing_folder_makes_none(lab: Callable[..., Lab]) -> None:
    world = lab(offline=True)
    job = {"prompt": "a fox", "size": "64x32", "codex": "/bin/true"}
    done = world.call("batch", write_jobs(world, job, name="jobs.jsonl"), "--out-dir", "new/deep", "--dry-run")
    assert done.err.splitlines()[0] == (
        f"line 1: {world.work}/new/deep/0001.png; The picture should be 64 pixels wide and 32 pixels high."
    )
    assert os.listdir(world.work) == ["jobs.jsonl"]


def test_dry_run_of_wrong_jobs_is_refused_as_a_batch_is(lab: Callable[..., Lab]) -> None:
    world = lab(offline=True)
    done = world.call("batch", write_jobs(world, {"prompt": 5}, name="jobs.jsonl"), "--dry-run", "--json")
    assert (done.code, done.json["error"]["code"], done.json["dry_run"]) == (2, "usage", True)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_dry_run_with_a_journal_that_is_no_file_fails_as_a_batch_would(
    lab: Callable[..., Lab], make: Callable[[Path], None]
) -> None:
    world = lab(offline=True)
    write_jobs(world, {"prompt": "a fox", "codex": "/bin/true"}, name="jobs.jsonl")
    make(journal_path(world))
    for extra in ([], ["--dry-run"]):
        done = world.call("batch", "jobs.jsonl", "--json", *extra)
        assert (done.code, done.json["error"]["code"]) == (73, "out-unwritable")
