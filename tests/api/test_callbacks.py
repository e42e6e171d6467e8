"""Callbacks that raise at each stage, with the real Codex: the caller gets the error, and no picture is lost."""

from __future__ import annotations

import threading

import pytest

import codex_imagegen
from codex_imagegen import Interrupt
from tests.api.conftest import DrawsWhenSeen
from tests.support import builds, checks
from tests.support.checks import DrawsSmall, small_png
from tests.support.error_chain import chain

pytestmark = pytest.mark.real
CODEX = builds.codex(builds.NEWEST)
MORE = pytest.mark.every_build


class Own(Exception):
    """An error of the caller."""


def raising(script, stage, error, heard=None):
    """A callback that raises ``error`` at a stage, the first time."""

    def hear(event):
        script.hear(event)
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


STAGES = ["started", "thread", "drawing", "received", "written"]
ERRORS = [Own("a"), codex_imagegen.UsageError("b", hint="c"), codex_imagegen.Interrupted("d"), SystemExit(7)]
CASES = [
    pytest.param(stage, error, id=f"{stage}-{type(error).__name__}", marks=marks)
    for at, stage in enumerate(STAGES)
    for error, marks in ((ERRORS[at % 4], []), (ERRORS[(at + 1) % 4], [MORE]))
]
"""Each stage and each kind of error at least once."""


@pytest.mark.parametrize(("stage", "error"), CASES)
def test_error_at_each_stage_reaches_the_caller_unchanged(here, stage, error):
    script, interrupt, heard = DrawsWhenSeen(), Interrupt(), []
    world = here(script)
    error = type(error)(error.args[0])
    fails(
        error, codex_imagegen.generate, "a fox", out="fox.png", interrupt=interrupt,
        on_event=raising(script, stage, error, heard),
    )  # fmt: skip
    assert heard[-1].stage == stage  # and nothing is reported after it
    assert interrupt.signum is None  # the caller's flag is the caller's
    if stage == "started":  # Codex may be left to end by itself then, since it has read no prompt
        assert world.model_calls == 0
    else:
        assert checks.processes(world, wait=False) == []  # Codex was ended before the error came
    checks.assert_clean(world)
    if stage == "written":
        assert (world.work / "fox.png").read_bytes() == small_png("a fox")
    if stage in {"received", "written"}:
        codex_imagegen.recover(heard[-1].thread_id, out="again.png")
        assert (world.work / "again.png").read_bytes() == small_png("a fox")


def test_error_of_one_of_several_ends_them_all(here):
    """The others are stopped as by an interrupt; written pictures stay."""

    class OneAtOnce(DrawsSmall):
        """Draws only the first picture while a client waits."""

        def __init__(self):
            self.first, self.free = threading.Lock(), threading.Event()

        def draw(self, prompt):
            if not self.first.acquire(blocking=False):
                self.free.wait(60)
            return super().draw(prompt)

        def hear(self, _event):
            pass

    script, error = OneAtOnce(), Own("of the first")
    world = here(script)
    try:
        fails(
            error, codex_imagegen.generate, "a fox", out="fox.png", count=4, jobs=2,
            on_event=raising(script, "written", error),
        )  # fmt: skip
        checks.assert_clean(world)
    finally:
        script.free.set()
    (written,) = world.work.glob("fox-*.png")
    assert written.read_bytes() == small_png("a fox")
    assert len(world.rollouts()) <= 2  # those that ran at once; the others were not begun


@pytest.mark.parametrize(
    "stage", [pytest.param(stage, marks=[] if stage == "received" else MORE) for stage in STAGES if stage != "drawing"]
)
def test_batch_after_on_event_raised_goes_on_and_pays_nothing_twice(here, stage):
    script, error, heard = DrawsWhenSeen(), Own(stage), []
    world = here(script)
    fails(error, codex_imagegen.batch, ["a fox"], out_dir="out", on_event=raising(script, stage, error, heard))
    left = [path for path in checks.unfinished_files(world.work) if not path.endswith(".jsonl")]
    assert world.leftovers == checks.processes(world) == left == []
    drawn = len(world.standin.calls_to("/images"))
    script.seen.set()
    (outcome,) = codex_imagegen.batch(["a fox"], out_dir="out", codex=CODEX)
    assert (world.work / "out" / "0001.png").read_bytes() == small_png("a fox")
    if stage in {"received", "written"}:
        assert outcome.status == "recovered"
        assert len(world.standin.calls_to("/images")) == drawn


def test_batch_whose_on_outcome_raises_ends(here):
    """The second job ends only when it is stopped."""

    class OwlsWait(DrawsSmall):
        def __init__(self):
            self.free = threading.Event()

        def draw(self, prompt):
            if "owl" in prompt:
                self.free.wait(60)
            return super().draw(prompt)

    script, error, interrupt = OwlsWait(), Own("of the first"), Interrupt()
    world = here(script)

    def hear(_outcome):
        raise error

    jobs = ["a fox", "an owl", "a hare"]
    fails(error, codex_imagegen.batch, jobs, out_dir="out", workers=1, on_outcome=hear, interrupt=interrupt)
    assert interrupt.signum is None
    assert world.leftovers == checks.processes(world) == []
    assert (world.work / "out" / "0001.png").read_bytes() == small_png("a fox")
    script.free.set()
    outcomes = codex_imagegen.batch(jobs[:2], out_dir="out", codex=CODEX)
    assert [outcome.status for outcome in outcomes] in (["skipped", "made"], ["skipped", "recovered"])
