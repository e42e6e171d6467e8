"""Batches from Python, with the real Codex: outcomes in order, each picture made once, cancellation."""

from __future__ import annotations

import threading

import pytest

import codex_imagegen
from codex_imagegen import Interrupt, Interrupted
from codex_imagegen.batches.journal import NAME
from tests.support import builds, checks, scripts
from tests.support.checks import DrawsSmall, small_png

pytestmark = pytest.mark.real


def batch(*given, **more):
    return codex_imagegen.batch(*given, codex=builds.codex(builds.NEWEST), **more)


def assert_clean(world):
    """The journal is the only other file."""
    assert world.leftovers == checks.processes(world) == []
    assert {path.rpartition("/")[2] for path in checks.unfinished_files(world.work)} <= {NAME}


def test_batch_returns_outcomes_in_the_order_of_the_jobs(here, capfd):
    world = here()
    (world.work / "ref.png").write_bytes(small_png("a reference"))
    jobs = ["a fox", {"prompt": "an owl", "out": world.work / "owl.webp", "refs": [world.work / "ref.png"]}]
    heard, events = [], []
    outcomes = batch(jobs, out_dir=world.work / "out", on_outcome=heard.append, on_event=events.append)
    assert [(outcome.line, outcome.status) for outcome in outcomes] == [(1, "made"), (2, "made")]
    assert {(event.job, event.path) for event in events if event.stage == "written"} == {
        (outcome.line, outcome.out) for outcome in outcomes
    }
    assert sorted(heard, key=lambda outcome: outcome.line) == list(outcomes)
    assert (world.work / "out" / "0001.png").read_bytes() == small_png("a fox")
    assert outcomes[1].result.images[0].path == str(world.work / "owl.webp")
    assert checks.tool_references(world) == [small_png("a reference")]
    again = batch(jobs, out_dir=world.work / "out")
    assert [outcome.status for outcome in again] == ["skipped", "skipped"]
    assert (capfd.readouterr().out, capfd.readouterr().err) == ("", "")


def test_usage_limit_is_an_outcome_and_stops_the_rest(here):
    here(scripts.PictureLimit())
    outcomes = batch([f"fox {number}" for number in range(3)], workers=1)
    assert [outcome.status for outcome in outcomes] == ["not-started"] * 3
    assert {outcome.result.error.code for outcome in outcomes} == {"usage-limit"}


class HoldsSlowPrompts(DrawsSmall):
    """The model answers prompts with the word ``slow`` only when the test allows it."""

    def __init__(self):
        self.asked, self.free = threading.Event(), threading.Event()

    def respond(self, call):
        if "slow" in str(call.json):
            self.asked.set()
            self.free.wait(60)
        return super().respond(call)


@pytest.mark.every_build
def test_interrupted_batch_keeps_what_was_made_and_the_next_call_goes_on(here):
    script = HoldsSlowPrompts()
    world = here(script)
    interrupt = Interrupt()
    jobs = ["a fox", "a slow owl"]

    def stop():
        script.asked.wait(60)
        interrupt.set()

    with pytest.raises(Interrupted, match="1 of 2 jobs had ended") as caught:
        batch(jobs, workers=1, interrupt=interrupt, on_outcome=lambda _outcome: threading.Thread(target=stop).start())
    assert "same call" in caught.value.hint
    assert_clean(world)
    script.free.set()
    assert [outcome.status for outcome in batch(jobs)] == ["skipped", "made"]
