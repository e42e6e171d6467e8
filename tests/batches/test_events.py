"""``batch --events``: the events of each job by its line, and the last event."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.batches import BatchScript, pictures_asked, remove_events, write_jobs
from tests.support.checks import picture_turns
from tests.support.lab import Lab

Labs = Callable[..., Lab]
pytestmark = pytest.mark.real
STEPS = ["started", "thread", "drawing", "received", "written"]


def by_job(done) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for line in done.events:
        found.setdefault(line["job"], []).append(line["event"])
    return found


def test_events_name_each_job_by_its_line(lab: Labs) -> None:
    world = lab(script=BatchScript())
    done = world.run("batch", write_jobs(world, "a fox", "bad", "an owl"), "--events", "--json")
    steps = by_job(done)
    assert steps.pop(2)[-1] == "failed"
    assert steps == {1: STEPS, 3: STEPS, None: ["error"]}
    (failed,) = [line for line in done.events if line["event"] == "failed"]
    assert (failed["error"]["code"], failed["index"]) == ("moderation", 0)
    last = done.events[-1]
    assert (done.code, last["error"]["code"], last["error"]["exit_code"]) == (1, "moderation", 1)
    assert last["message"].startswith("1 of 3 jobs failed; the first: ")
    # the pictures of an earlier run are reported as written
    remove_events(world, "done", "failed")
    (world.work / "0003.png").unlink()
    write_jobs(world, "a fox", "", "an owl")
    again = world.call("batch", "jobs.txt", "--events")
    assert by_job(again) == {1: ["written"], 3: ["written"], None: ["done"]}
    assert {line["message"] for line in again.events[:-1]} == {"made by a run that was cut off"}
    once_more = world.call("batch", "jobs.txt", "--events")
    assert by_job(once_more) == {1: ["written"], 3: ["written"], None: ["done"]}
    paths = sorted(line["path"] for line in once_more.events[:-1])
    assert paths == [str(world.work / name) for name in ("0001.png", "0003.png")]
    assert sum(pictures_asked(world).values()) == 3


def test_usage_limit_is_the_last_event(lab: Labs) -> None:
    world = lab(script=BatchScript(quota=0))
    done = world.run("batch", write_jobs(world, "a fox", "an owl", "a crow"), "--jobs", "1", "--events")
    last = done.events[-1]
    assert (done.code, last["error"]["code"], last["error"]["exit_code"]) == (1, "usage-limit", 1)
    assert "go on with:\ncodex-imagegen batch" in last["error"]["hint"]
    assert by_job(done)[1][0] == "started"


def test_wrong_jobs_are_one_error_event(lab: Labs) -> None:
    world = lab(script=BatchScript())
    done = world.call("batch", write_jobs(world, {"promt": "b"}), "--events")
    assert (done.code, [line["event"] for line in done.events]) == (2, ["error"])
    assert picture_turns(world) == 0
