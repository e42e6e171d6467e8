"""A callback that raises, at every stage, with the real Codex: the caller gets its error, and no picture is lost."""

from __future__ import annotations

import threading

import pytest

import codex_imagegen
from codex_imagegen import Interrupt
from tests.support import builds, checks
from tests.support.causes import chain
from tests.support.checks import Small, made

pytestmark = pytest.mark.real
CODEX = builds.codex(builds.NEWEST)


class Slow(Small):
    """Gives the events time to come one by one."""

    draw_sec = 0.5


class Own(Exception):
    """The caller's own."""


def raising(stage, error, heard=None):
    """A callback that raises ``error`` at a stage, the first time."""

    def hear(event):
        if heard is not None:
            heard.append(event)
        if event.stage == stage:
            raise error

    return hear


def fails(error, call, *given, **more):
    with pytest.raises(type(error)) as caught:
        call(*given, codex=CODEX, **more)
    assert caught.value is error
    assert chain(error) == [error]  # nothing of ours is hung on to it


ERRORS = [Own("a"), codex_imagegen.UsageError("b", hint="c"), codex_imagegen.Interrupted("d")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stage", ["started", "thread", "drawing", "landed", "written"])
def test_error_at_each_stage_reaches_the_caller_unchanged(here, stage, error):
    world, interrupt, heard = here(Slow()), Interrupt(), []
    error = type(error)(error.args[0])
    fails(
        error, codex_imagegen.generate, "a fox", out="fox.png", interrupt=interrupt,
        on_event=raising(stage, error, heard),
    )  # fmt: skip
    assert heard[-1].stage == stage  # and nothing is told after it
    assert interrupt.signum is None  # the caller's flag is the caller's
    if stage == "started":  # Codex may be left to end by itself then, since it has read no prompt
        assert world.model_calls == 0
    else:
        assert checks.processes(world, wait=False) == []  # Codex was ended before the error came
    checks.assert_clean(world)
    if stage == "written":
        assert (world.work / "fox.png").read_bytes() == made("a fox")
    if stage in {"landed", "written"}:
        codex_imagegen.recover(heard[-1].thread_id, out="again.png")
        assert (world.work / "again.png").read_bytes() == made("a fox")


def test_baseexception_passes_as_it_is(here):
    world, error = here(Slow()), SystemExit(7)
    fails(error, codex_imagegen.generate, "a fox", out="fox.png", on_event=raising("thread", error))
    checks.assert_clean(world)


def test_error_of_one_of_several_ends_them_all(here):
    """The others are stopped as by an interrupt; what is written stays."""

    class OneAtOnce(Small):
        """Draws the first picture, and no other while anybody waits."""

        def __init__(self):
            self.first, self.free = threading.Lock(), threading.Event()

        def draw(self, prompt):
            if not self.first.acquire(blocking=False):
                self.free.wait(60)
            return super().draw(prompt)

    script, error = OneAtOnce(), Own("of the first")
    world = here(script)
    try:
        fails(
            error, codex_imagegen.generate, "a fox", out="fox.png", count=4, jobs=2,
            on_event=raising("written", error),
        )  # fmt: skip
        checks.assert_clean(world)
    finally:
        script.free.set()
    (written,) = world.work.glob("fox-*.png")
    assert written.read_bytes() == made("a fox")
    assert len(world.rollouts()) <= 2  # those that ran at once; the others were not begun


@pytest.mark.parametrize("stage", ["started", "thread", "landed", "written"])
def test_batch_goes_on_after_on_event_raised_and_pays_nothing_twice(here, stage):
    world, error, heard = here(Slow()), Own(stage), []
    fails(error, codex_imagegen.batch, ["a fox"], out_dir="out", on_event=raising(stage, error, heard))
    checks_left = [path for path in checks.temporary(world.work) if not path.endswith(".jsonl")]
    assert world.leftovers == checks.processes(world) == checks_left == []
    drawn = len(world.standin.to("/images"))
    (outcome,) = codex_imagegen.batch(["a fox"], out_dir="out", codex=CODEX)
    assert (world.work / "out" / "0001.png").read_bytes() == made("a fox")
    if stage in {"landed", "written"}:
        assert outcome.status == "recovered"
        assert len(world.standin.to("/images")) == drawn


def test_batch_ends_when_on_outcome_raises(here):
    world, error, interrupt = here(Slow()), Own("of the first"), Interrupt()

    def hear(_outcome):
        raise error

    jobs = ["a fox", "an owl", "a hare"]
    fails(error, codex_imagegen.batch, jobs, out_dir="out", workers=1, on_outcome=hear, interrupt=interrupt)
    assert interrupt.signum is None
    assert world.leftovers == checks.processes(world) == []
    assert (world.work / "out" / "0001.png").read_bytes() == made("a fox")
    outcomes = codex_imagegen.batch(jobs, out_dir="out", codex=CODEX)
    assert outcomes[0].status == "there"
    assert {outcome.status for outcome in outcomes[1:]} <= {"made", "recovered"}
