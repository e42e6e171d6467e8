"""What a batch finds again, on the real Codex: nothing is drawn twice, whatever the set-up has become meanwhile."""

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

from codex_imagegen.codex.workspace import PREFIX
from tests.batch.worlds import Moody, answers, asked, assert_clean, forget, journal, statuses, write
from tests.support.checks import made, processes, until
from tests.support.lab import Lab

Labs = Callable[..., Lab]
pytestmark = pytest.mark.real
PLANTED = PREFIX + "0123456789abcdef"


def records(lab: Lab) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal(lab).read_text().splitlines()]


def rewrite(lab: Lab, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    journal(lab).write_text("".join(json.dumps(change(record)) + "\n" for record in records(lab)))


def test_a_prompt_that_fills_a_line_of_the_journal_is_drawn_once(lab: Labs) -> None:
    world = lab(script=Moody())
    prompt = "".join(chr(0x4E00 + number % 20_000) for number in range(720_000))
    assert statuses(world.run("batch", write(world, {"prompt": prompt}), "--json")) == ["made"]
    assert journal(world).stat().st_size > 4 * 1024 * 1024
    again = world.run("batch", "jobs.txt", "--json")
    assert (again.code, statuses(again), world.model_calls) == (0, ["there"], 1)
    assert answers(again)[0]["images"][0]["revised_prompt"] == prompt


@pytest.mark.parametrize("closed", [("<&-", ">&-", "2>&-"), ("2>&-",)], ids=" ".join)
def test_without_standard_streams_a_killed_batch_draws_once(lab: Labs, closed: tuple[str, ...]) -> None:
    """Codex, which goes on without us, holds the lock by which the next batch waits for it."""
    world = lab(script=Moody(draw_sec=3.0))
    command = shlex.join(world.argv("batch", write(world, "a fox"), "--quiet"))
    running = subprocess.Popen(
        ["sh", "-c", f"exec {command} {' '.join(closed)}"], cwd=world.work, env=world.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until(lambda: asked(world), "the picture to be drawn")
    os.kill(running.pid, signal.SIGKILL)
    running.wait(10)
    before = journal(world).read_bytes()
    done = world.run("batch", "jobs.txt", "--json")
    assert (done.code, statuses(done), asked(world)) == (0, ["recovered"], {"a fox": 1})
    assert journal(world).read_bytes().startswith(before)
    assert (world.work / "0001.png").read_bytes() == made("a fox")
    until(lambda: not processes(world, wait=False), "the Codex that was left behind to end")
    assert statuses(world.run("batch", "jobs.txt", "--json")) == ["there"]
    assert_clean(world)


@pytest.mark.parametrize(("then", "now"), [("XXX-14", "XXX+12"), ("XXX+12", "XXX-14")])
def test_after_a_change_of_time_zone_a_session_is_found(lab: Labs, then: str, now: str) -> None:
    world = lab(script=Moody())
    assert world.run("batch", write(world, "a fox"), env={"TZ": then}).code == 0
    forget(world, "done", "thread")
    (world.work / "0001.png").unlink()
    done = world.run("batch", "jobs.txt", "--json", env={"TZ": now})
    assert (done.code, statuses(done), asked(world)) == (0, ["recovered"], {"a fox": 1})


@pytest.mark.parametrize("back_sec", [60.0, 40 * 86_400.0])
def test_after_the_clock_was_set_back_a_session_is_found(lab: Labs, back_sec: float) -> None:
    world = lab(script=Moody())
    assert world.run("batch", write(world, "a fox")).code == 0
    forget(world, "done", "thread")
    rewrite(world, lambda record: {**record, "at": record["at"] + back_sec} if "at" in record else record)
    (world.work / "0001.png").unlink()
    done = world.run("batch", "jobs.txt", "--json")
    assert (done.code, statuses(done), asked(world)) == (0, ["recovered"], {"a fox": 1})


BROKEN = ["x", [], None, True, 10**400, float("nan"), "\ud800"]


@pytest.mark.parametrize("field", ["at", "folder", "thread_id", "line", "images", "error"])
def test_no_value_in_a_record_is_a_defect(lab: Labs, field: str) -> None:
    """The run is as with a record that is not there, or the session is found all the same."""
    world = lab(script=Moody())
    assert world.run("batch", write(world, "a fox")).code == 0
    whole = records(world)
    for value in BROKEN:
        (world.work / "0001.png").unlink(missing_ok=True)
        events = ("started", "thread", *(["done"] if field == "images" else ["failed"] if field == "error" else []))
        kept = [{**record, "event": "failed"} if field == "error" and record.get("event") == "done" else record
                for record in whole]  # fmt: skip
        lines = [{**record, field: value} for record in kept if record.get("event") in events]
        journal(world).write_text("".join(json.dumps(line) + "\n" for line in [whole[0], *lines]))
        done = world.run("batch", "jobs.txt", "--json")
        assert (done.code, statuses(done)[0] in {"made", "recovered"}) == (0, True), (value, done)
        assert (world.work / "0001.png").read_bytes() == made("a fox")


def test_nothing_is_swept_but_what_is_proven_ours(lab: Labs) -> None:
    world = lab(script=Moody())
    assert world.run("batch", write(world, "a fox")).code == 0
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
    with journal(world).open("a") as file:
        for number, path in enumerate([*named, left]):
            file.write(json.dumps({"event": "started", "job": f"{number:032x}", "folder": str(path)}) + "\n")
    assert statuses(world.run("batch", "jobs.txt", "--json")) == ["there"]
    assert all((folder / "mine.txt").exists() for folder in folders)
    assert all(os.path.lexists(path) for path in named)
    assert not left.exists()
    assert not copies.exists()


@pytest.mark.parametrize(("word", "told"), [("resume", "--codex-arg resume "), ("fork", "codex exec fork makes no ")])
def test_a_thread_is_not_gone_on_with_by_a_batch(lab: Labs, word: str, told: str) -> None:
    world, thread = lab(script=Moody()), "019a0000-0000-7000-8000-000000000001"
    write(world, {"prompt": "a fox"}, {"prompt": "an owl", "codex_args": [word, thread]}, name="one.jsonl")
    write(world, "a fox", "an owl")
    for arguments, before in (
        (("one.jsonl",), "line 2: "),
        (("jobs.txt", "--codex-arg", word, "--codex-arg", thread), ""),
        (("jobs.txt", "--codex-arg", "--oss", "--codex-arg", word), ""),
    ):
        done = world.run("batch", *arguments, "--json")
        assert (done.code, done.json["error"]["code"]) == (2, "usage")
        assert done.json["error"]["message"].startswith(before + told)
    assert (world.model_calls, journal(world).exists()) == (0, False)
    value = world.run("batch", write(world, "a fox"), "--codex-arg", "--output-last-message", "--codex-arg", word)
    assert value.code == 0
