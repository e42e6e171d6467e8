"""Many pictures from Python, with the real Codex: outcomes in order, each made once, an end when one is asked for."""

from __future__ import annotations

import threading

import pytest

import codex_imagegen
from codex_imagegen import Interrupt, Interrupted
from codex_imagegen.batches.journal import NAME
from tests.support import builds, checks, scripts
from tests.support.checks import Small, made

pytestmark = pytest.mark.real


def batch(*given, **more):
    return codex_imagegen.batch(*given, codex=builds.codex(builds.NEWEST), **more)


def assert_clean(world):
    """Nothing is left but the journal."""
    assert world.leftovers == checks.processes(world) == []
    assert {path.rpartition("/")[2] for path in checks.temporary(world.work)} <= {NAME}


def test_what_became_of_each_in_their_order(here, capfd):
    world = here()
    (world.work / "ref.png").write_bytes(made("a reference"))
    jobs = ["a fox", {"prompt": "an owl", "out": world.work / "owl.webp", "refs": [world.work / "ref.png"]}]
    heard, events = [], []
    outcomes = batch(jobs, out_dir=world.work / "out", on_outcome=heard.append, on_event=events.append)
    assert [(outcome.line, outcome.status) for outcome in outcomes] == [(1, "made"), (2, "made")]
    assert {(event.job, event.path) for event in events if event.stage == "written"} == {
        (outcome.line, outcome.out) for outcome in outcomes
    }
    assert sorted(heard, key=lambda outcome: outcome.line) == list(outcomes)
    assert (world.work / "out" / "0001.png").read_bytes() == made("a fox")
    assert outcomes[1].result.images[0].path == str(world.work / "owl.webp")
    assert checks.edited(world) == [made("a reference")]
    again = batch(jobs, out_dir=world.work / "out")
    assert [outcome.status for outcome in again] == ["there", "there"]
    assert (capfd.readouterr().out, capfd.readouterr().err) == ("", "")


def test_a_failure_is_an_outcome_and_the_limit_ends_the_rest(here):
    here(scripts.PictureLimit())
    outcomes = batch([f"fox {number}" for number in range(3)], workers=1)
    assert [outcome.status for outcome in outcomes] == ["left"] * 3
    assert {outcome.result.error.code for outcome in outcomes} == {"usage-limit"}


class Thinks(Small):
    """The model answers the first prompt alone."""

    def __init__(self):
        self.free = threading.Event()

    def respond(self, call):
        if "slow" in call.body.decode(errors="replace") or "slow" in str(call.json):
            self.free.wait(30)
        return super().respond(call)


def test_an_interrupt_keeps_what_was_made_and_the_next_call_goes_on(here):
    script = Thinks()
    world = here(script)
    interrupt = Interrupt()
    jobs = ["a fox", "a slow owl"]
    with pytest.raises(Interrupted, match="1 of 2 jobs had ended") as caught:
        batch(
            jobs, workers=1, interrupt=interrupt, on_outcome=lambda _outcome: threading.Timer(1, interrupt.set).start()
        )
    assert "same call" in caught.value.hint
    assert_clean(world)
    script.free.set()
    assert [outcome.status for outcome in batch(jobs)] == ["there", "made"]


def test_a_listener_that_raises_ends_the_runs(here):
    world = here(Thinks())

    def hear(_outcome):
        raise RuntimeError("of the caller's own")

    with pytest.raises(RuntimeError, match="of the caller's own"):
        batch(["a fox", "a slow owl"], on_outcome=hear)
    assert_clean(world)
