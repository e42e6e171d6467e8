"""A batch that is killed with -9 at any stage: in the end every picture is correct, and none was made twice."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_imagegen.images.convert import convert
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.request import format_of
from tests.support.batches import (
    BatchScript,
    assert_clean,
    journal_path,
    json_by_job,
    pictures_asked,
    records,
    write_jobs,
)
from tests.support.checks import picture_turns, small_png, unfinished_files, wait_until
from tests.support.lab import Lab

pytestmark = pytest.mark.real

SEED = 20
KILLS = 20
LONGEST_SEC = 1.5
"""Kills happen before a run, during it, and between two runs."""
DRAW_SEC = 1.0
"""Long enough that the twenty kills come before the last job on any machine."""


def write(lab: Lab, count: int) -> dict[str, str]:
    """Write a job file; returns the prompts and files."""
    jobs = {f"picture number {n}": f"out/{n}{('.png', '.jpg', '.webp', '.png')[n % 4]}" for n in range(count)}
    write_jobs(lab, *({"prompt": prompt, "out": out} for prompt, out in jobs.items()))
    return jobs


def expected(prompt: str, out: Path) -> bytes:
    """The bytes of a picture in the format of its name."""
    picture, wanted = decode_picture(small_png(prompt)), format_of(out.name)
    return picture.data if wanted == "png" else convert(picture, wanted).data


def assert_all_drawn_once(lab: Lab, jobs: dict[str, str], kills: int) -> None:
    """Continue the batch to its end."""
    for path in unfinished_files(lab.folder):
        if not os.path.islink(path):
            os.utime(path, (0, 0))  # what is too young is not swept
    done = lab.run("batch", "jobs.txt", "--json", "--quiet")
    assert (done.code, done.err, len(json_by_job(done))) == (0, "", len(jobs))
    for prompt, out in jobs.items():
        assert (lab.work / out).read_bytes() == expected(prompt, lab.work / out), out
    assert pictures_asked(lab) == dict.fromkeys(jobs, 1)
    assert len(lab.rollouts()) >= len(jobs)
    assert len(jobs) <= picture_turns(lab) <= len(jobs) + 2 * kills
    again = lab.call("batch", "jobs.txt", "--json")
    assert {answer["status"] for answer in json_by_job(again)} == {"skipped"}
    assert_clean(lab)


def test_batch_killed_at_each_stage_makes_each_picture_once(lab: Callable[..., Lab]) -> None:
    script = BatchScript(held="number 2")
    world = lab(script=script)
    jobs = write(world, 4)

    def kill_when(stage: Callable[[], object], name: str) -> None:
        running = world.start("batch", "jobs.txt", "--quiet", "--jobs", "1")
        try:
            wait_until(stage, name)
            assert running.poll() is None
        finally:
            running.kill()
            running.communicate(timeout=60)

    def journaled(event: str, count: int) -> bool:
        return journal_path(world).exists() and [one["event"] for one in records_so_far(world)].count(event) >= count

    kill_when(lambda: journaled("started", 1), "the journal to know of the first run")
    kill_when((world.work / "out/0.png").exists, "the first picture to be written")
    kill_when(lambda: journaled("done", 2), "the second job to be done")
    kill_when(lambda: pictures_asked(world)["picture number 2"], "the third picture to be drawn")
    script.free.set()
    assert_all_drawn_once(world, jobs, kills=4)


def records_so_far(lab: Lab) -> list[dict[str, object]]:
    """The complete records of the journal; the last line may be incomplete."""
    try:
        return records(lab)
    except ValueError:
        return []


@pytest.mark.ci
def test_batch_killed_twenty_times_makes_each_picture_once(lab: Callable[..., Lab]) -> None:
    world, dice = lab(script=BatchScript(draw_sec=DRAW_SEC)), random.Random(SEED)
    jobs = write(world, 28)
    kills = ended = 0
    while kills < KILLS and ended < 3:
        running: subprocess.Popen[bytes] = world.start("batch", "jobs.txt", "--quiet")
        time.sleep(dice.uniform(0.1, LONGEST_SEC))
        kills += running.poll() is None
        ended += running.poll() is not None
        running.kill()
        running.communicate(timeout=60)
    assert kills == KILLS
    assert_all_drawn_once(world, jobs, kills)
