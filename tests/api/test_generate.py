"""The Python API with the real Codex: the guarantees of the command line, as values and exceptions."""

from __future__ import annotations

import ast
import inspect
import io
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console
from rich.traceback import Traceback

import codex_imagegen
from codex_imagegen import ImagegenError, Interrupt
from tests.support import builds, checks, scripts
from tests.support.causes import chain
from tests.support.checks import Small, made


def generate(*arguments, **more):
    return codex_imagegen.generate(*arguments, codex=builds.codex(builds.NEWEST), **more)


# The facade


def test_every_public_name_can_be_imported():
    for name in codex_imagegen.__all__:
        assert getattr(codex_imagegen, name) is not None, name


def test_nothing_else_is_public():
    assert dir(codex_imagegen) == sorted(codex_imagegen.__all__)
    assert len(set(codex_imagegen.__all__)) == len(codex_imagegen.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = codex_imagegen.nonsense


def test_a_type_checker_sees_the_same_names():
    """They are imported lazily, and so named twice."""
    tree = ast.parse(inspect.getsource(codex_imagegen))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen | {"__version__"} == set(codex_imagegen.__all__)


def test_every_error_of_the_tree_is_public_and_named():
    def below(error):
        return {error}.union(*map(below, error.__subclasses__()))

    tree = {error for error in below(ImagegenError) if error.__module__ == ImagegenError.__module__}
    assert {error.__name__ for error in tree} <= set(codex_imagegen.__all__)


# A run


@pytest.mark.real
def test_a_picture_and_its_result(here):
    world = here()
    result = generate("a red fox", out=Path("fox.png"))
    path = world.work / "fox.png"
    assert result.ok
    assert result.path == path
    assert path.read_bytes() == made("a red fox")
    assert (result.codex_version, result.error, result.failures, result.warnings) == (builds.NEWEST, None, (), ())
    assert result.thread_id in world.rollouts()[0].name
    checks.assert_clean(world)


@pytest.mark.real
def test_references_and_a_conversion(here):
    world = here()
    (world.work / "ref.png").write_bytes(made("a reference"))
    result = generate("a red fox", refs=[world.work / "ref.png"], out="fox.webp", model=builds.FUNCTION_MODEL)
    assert (result.images[0].format, result.images[0].original) == ("webp", False)
    assert checks.edited(world) == [made("a reference")]


@pytest.mark.real
def test_the_events_come_in_order(here):
    class Slow(Small):
        draw_sec = 0.5

    world = here(Slow())
    events = []
    generate("a red fox", out="fox.png", on_event=events.append)
    assert [event.stage for event in events] == ["started", "thread", "drawing", "landed", "written"]
    assert sorted(event.elapsed_sec for event in events) == [event.elapsed_sec for event in events]
    assert len({event.thread_id for event in events[1:]}) == 1
    assert (events[-1].path, events[-1].index) == (str(world.work / "fox.png"), 0)


@pytest.mark.real
def test_the_time_of_several_goes_on_and_what_is_there_is_not_made_again(here):
    world = here()
    (world.work / "fox-1.png").write_bytes(made("mine"))
    events = []
    result = generate("a red fox", out="fox.png", count=3, jobs=1, skip_existing=True, on_event=events.append)
    assert [image.path for image in result.images] == [str(world.work / f"fox-{n}.png") for n in (1, 2, 3)]
    assert (world.work / "fox-1.png").read_bytes() == made("mine")
    assert world.model_calls == 2
    assert sorted(event.elapsed_sec for event in events) == [event.elapsed_sec for event in events]
    assert [event.index for event in events if event.stage == "written"] == [0, 1, 2]


@pytest.mark.real
def test_several_threads_at_once(here):
    world = here()
    results = {}

    def work(prompt):
        results[prompt] = generate(prompt, out=f"{prompt}.png")

    threads = [threading.Thread(target=work, args=(f"picture {n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert {prompt: result.path.read_bytes() for prompt, result in results.items()} == {
        f"picture {n}": made(f"picture {n}") for n in range(3)
    }
    checks.assert_clean(world)


# What is raised


@pytest.mark.parametrize(
    ("error", "prompt", "more"),
    [
        (codex_imagegen.UsageError, " ", {}),
        (codex_imagegen.UsageError, "fox", {"out": "fox.gif"}),
        (codex_imagegen.UsageError, "fox", {"timeout_sec": 0}),
        (codex_imagegen.UsageError, "fox", {"timeout_sec": float("nan")}),
        (codex_imagegen.UsageError, "fox", {"refs": ["a.png"] * 6}),
        (codex_imagegen.UsageError, "\ud800", {}),
        (codex_imagegen.ReferenceMissing, "fox", {"refs": ["nowhere.png"]}),
        (codex_imagegen.ReferenceMissing, "fox", {"refs": ["a\0b.png"]}),
        (codex_imagegen.ReferenceNotImage, "fox", {"refs": ["/"]}),
        (codex_imagegen.OutUnwritable, "fox", {"out": "/proc/self/fox.png"}),
        (codex_imagegen.CodexMissing, "fox", {"codex": "/nowhere/codex"}),
    ],
)
def test_what_is_refused_is_an_error_of_the_tree(here, error, prompt, more):
    world = here()
    with pytest.raises(error) as caught:
        codex_imagegen.generate(prompt, **{"codex": builds.codex(builds.NEWEST), **more})
    assert caught.value.spent is False
    assert caught.value.hint
    assert chain(caught.value)[0] is caught.value
    assert world.standin.calls == []


@pytest.mark.real
def test_a_failure_knows_how_far_the_run_had_come(here):
    script = scripts.PictureLimit()
    world = here(script)
    with pytest.raises(codex_imagegen.UsageLimit) as caught:
        generate("a red fox", out="fox.png")
    error = caught.value
    assert (error.spent, error.resets_at, error.codex_version) == (True, script.resets_at, builds.NEWEST)
    assert error.thread_id in world.rollouts()[0].name
    assert f"codex-imagegen recover {error.thread_id}" not in str(error.hint)  # none was made
    assert error.__cause__ is None
    assert chain(error) == [error]
    checks.assert_clean(world)


def test_an_error_can_be_printed_by_a_program_that_follows_its_causes(here):
    """As rich does it, whose older versions (13.0.0 to 14.0.0 at least) never end on an error that is its own cause."""
    here()
    console = Console(file=io.StringIO(), width=200)
    try:
        codex_imagegen.generate("fox", codex="/nowhere/codex")
    except codex_imagegen.CodexMissing as error:
        console.print(Traceback.from_exception(type(error), error, error.__traceback__))
    assert "CodexMissing" in console.file.getvalue()


# Being stopped


class Waits(Small):
    """The model thinks until nobody waits any more."""

    def respond(self, call):
        time.sleep(30)
        return super().respond(call)


@pytest.mark.real
def test_an_interrupt_from_another_thread(here):
    world = here(Waits())
    interrupt = Interrupt()

    def hear(event):
        if event.stage == "thread":
            threading.Thread(target=interrupt.set).start()

    with pytest.raises(codex_imagegen.Interrupted) as caught:
        generate("a red fox", out="fox.png", interrupt=interrupt, on_event=hear)
    assert caught.value.exit_code == 130
    checks.assert_clean(world)


@pytest.mark.real
@pytest.mark.parametrize("count", [1, 3])
def test_a_ctrl_c_passes_through_once_all_is_clean(here, count):
    """Python's own handler raises it wherever the main thread is; the caller's handlers are left alone."""
    world = here(Waits())
    before = signal.getsignal(signal.SIGINT)
    timers = []

    def hear(event):
        if event.stage == "thread" and not timers:
            timers.append(threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)))
            timers[0].start()

    with pytest.raises(KeyboardInterrupt):
        generate("a red fox", out="fox.png", on_event=hear, count=count)
    timers[0].join()
    assert signal.getsignal(signal.SIGINT) is before
    checks.assert_clean(world)


@pytest.mark.real
def test_a_listener_that_raises_ends_the_run_and_leaves_nothing(here):
    world = here(Waits())

    def hear(event):
        if event.stage == "thread":
            raise RuntimeError("of the caller's own")

    with pytest.raises(RuntimeError, match="of the caller's own"):
        generate("a red fox", out="fox.png", on_event=hear)
    checks.assert_clean(world)
