"""The batch is killed with -9, twenty times at moments that nobody chose: every picture right, none made twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from codex_imagegen.pictures.convert import convert
from codex_imagegen.pictures.output import SUFFIXES
from codex_imagegen.pictures.verify import verify
from tests.batch.worlds import Moody, answers, asked, assert_clean, write
from tests.support.checks import made
from tests.support.lab import Lab

pytestmark = pytest.mark.real

SEED = 20
KILLS = 20
JOBS = 28
LONGEST_SEC = 1.5
"""Kills fall before a start, into a run, and between two of them."""
DRAW_SEC = 1.0
"""So long that the twenty kills come before the last job, however quick the machine is."""


def expected(prompt: str, out: Path) -> bytes:
    """The bytes of a picture in the format of its name."""
    picture, wanted = verify(made(prompt)), SUFFIXES[out.suffix]
    return picture.data if wanted == "png" else convert(picture, wanted).data


def test_twenty_kills_make_no_picture_twice_and_lose_none(lab: Callable[..., Lab]) -> None:
    world, dice = lab(script=Moody(draw_sec=DRAW_SEC)), random.Random(SEED)
    jobs = {f"picture number {n}": f"out/{n}{('.png', '.png', '.jpg', '.webp')[n % 4]}" for n in range(JOBS)}
    write(world, *({"prompt": prompt, "out": out} for prompt, out in jobs.items()))
    kills = ended = 0
    while kills < KILLS and ended < 3:
        running = world.start("batch", "jobs.txt", "--quiet")
        time.sleep(dice.uniform(0.1, LONGEST_SEC))
        kills += running.poll() is None
        ended += running.poll() is not None
        running.kill()
        running.communicate(timeout=10)
    assert kills == KILLS
    time.sleep(2)  # so that no unfinished file is too young to be swept
    done = world.run("batch", "jobs.txt", "--json")
    assert (done.code, done.err, len(answers(done))) == (0, "", JOBS)
    for prompt, out in jobs.items():
        assert (world.work / out).read_bytes() == expected(prompt, world.work / out), out
    assert asked(world) == dict.fromkeys(jobs, 1)
    assert len(world.rollouts()) >= JOBS
    # each picture has its one turn of the model, and a run that was cut off its closing turn besides
    assert JOBS <= world.model_calls <= JOBS + 2 * KILLS
    again = world.run("batch", "jobs.txt", "--json")
    assert {answer["status"] for answer in answers(again)} == {"there"}
    assert_clean(world)
