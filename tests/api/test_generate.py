"""The Python API with the real Codex: the guarantees of the command line, as values and exceptions."""

from __future__ import annotations

import ast
import inspect
import io
import os
import signal
import threading
from pathlib import Path

import pytest
from rich.console import Console
from rich.traceback import Traceback

import codex_imagegen
from codex_imagegen import ImagegenError, Interrupt
from tests.api.conftest import DrawsWhenSeen
from tests.support import builds, checks, scripts
from tests.support.checks import DrawsSmall, small_png, wait_until
from tests.support.error_chain import chain


def generate(*arguments, **more):
    return codex_imagegen.generate(*arguments, codex=builds.codex(builds.NEWEST), **more)


# The facade


def test_every_public_name_can_be_imported():
    for name in codex_imagegen.__all__:
        assert getattr(codex_imagegen, name) is not None, name


def test_dir_shows_public_names_only():
    assert dir(codex_imagegen) == sorted(codex_imagegen.__all__)
    assert len(set(codex_imagegen.__all__)) == len(codex_imagegen.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = codex_imagegen.nonsense


def test_type_checker_sees_the_same_names():
    """Lazy imports name them twice."""
    tree = ast.parse(inspect.getsource(codex_imagegen))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen | {"__version__"} == set(codex_imagegen.__all__)


def test_every_error_of_the_tree_is_public():
    def below(error):
        return {error}.union(*map(below, error.__subclasses__()))

    tree = {error for error in below(ImagegenError) if error.__module__ == ImagegenError.__module__}
    assert {error.__name__ for error in tree} <= set(codex_imagegen.__all__)


# A run


@pytest.mark.real
def test_generate_writes_the_picture_and_reports_events_and_result(here):
    script, events = DrawsWhenSeen(), []
    world = here(script)
    result = generate(
        "a red fox", out=Path("fox.png"), on_event=lambda event: (script.hear(event), events.append(event))
    )
    path = world.work / "fox.png"
    assert result.ok
    assert result.path == path
    assert path.read_bytes() == small_png("a red fox")
    assert (result.codex_version, result.error, result.failures, result.warnings) == (builds.NEWEST, None, (), ())
    assert result.thread_id in world.rollouts()[0].name
    checks.assert_clean(world)
    assert [event.stage for event in events] == ["started", "thread", "drawing", "received", "written"]
    assert sorted(event.elapsed_sec for event in events) == [event.elapsed_sec for event in events]
    assert {event.thread_id for event in events[1:]} == {result.thread_id}
    assert (events[-1].path, events[-1].index) == (str(path), 0)


@pytest.mark.real
def test_generate_with_reference_and_model_converts_to_webp(here):
    world = here()
    (world.work / "ref.png").write_bytes(small_png("a reference"))
    result = generate("a red fox", refs=[world.work / "ref.png"], out="fox.webp", model=builds.FUNCTION_MODEL)
    assert (result.images[0].format, result.images[0].original) == ("webp", False)
    assert checks.tool_references(world) == [small_png("a reference")]


@pytest.mark.real
def test_count_with_skip_existing_makes_the_missing_ones_in_one_time(here):
    world = here()
    (world.work / "fox-1.png").write_bytes(small_png("mine"))
    events = []
    result = generate("a red fox", out="fox.png", count=3, jobs=1, skip_existing=True, on_event=events.append)
    assert [image.path for image in result.images] == [str(world.work / f"fox-{n}.png") for n in (1, 2, 3)]
    assert (world.work / "fox-1.png").read_bytes() == small_png("mine")
    assert len(world.rollouts()) == 2
    assert sorted(event.elapsed_sec for event in events) == [event.elapsed_sec for event in events]
    assert [event.index for event in events if event.stage == "written"] == [0, 1, 2]


@pytest.mark.real
def test_generate_in_several_threads_keeps_pictures_apart(here):
    world = here()
    results = {}

    def work(prompt):
        results[prompt] = generate(prompt, out=f"{prompt}.png")

    threads = [threading.Thread(target=work, args=(f"picture {n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert {prompt: result.path.read_bytes() for prompt, result in results.items()} == {
        f"picture {n}": small_png(f"picture {n}") for n in range(2)
    }
    checks.assert_clean(world)


# What is raised


REFUSED = [
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
]


def test_wrong_arguments_raise_an_error_of_the_tree_unspent(here):
    world = here()
    for error, prompt, more in REFUSED:
        with pytest.raises(ImagegenError) as caught:
            codex_imagegen.generate(prompt, **{"codex": builds.codex(builds.NEWEST), **more})
        assert type(caught.value) is error, (prompt, more)
        assert caught.value.spent is False, (prompt, more)
        assert caught.value.hint, (prompt, more)
        assert chain(caught.value)[0] is caught.value, (prompt, more)
    assert world.standin.calls == []


@pytest.mark.real
def test_usage_limit_raises_with_thread_and_reset_time(here):
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


def test_error_can_be_printed_by_a_program_that_follows_its_causes(here):
    """As rich does it, whose older versions (13.0.0 to 14.0.0 at least) never end on an error that is its own cause."""
    here()
    console = Console(file=io.StringIO(), width=200)
    try:
        codex_imagegen.generate("fox", codex="/nowhere/codex")
    except codex_imagegen.CodexMissing as error:
        console.print(Traceback.from_exception(type(error), error, error.__traceback__))
    assert "CodexMissing" in console.file.getvalue()


# Being stopped


class Waits(DrawsSmall):
    """The model thinks until the client has gone."""

    never = threading.Event()

    def respond(self, call):
        self.never.wait(60)
        return super().respond(call)


@pytest.mark.real
def test_interrupt_from_another_thread_raises_interrupted(here):
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
@pytest.mark.parametrize("count", [1, 2])
def test_ctrl_c_raises_keyboardinterrupt_once_all_is_clean(here, count):
    """Python's own handler raises it wherever the main thread is; the caller's handlers are left alone."""
    world = here(Waits())
    before = signal.getsignal(signal.SIGINT)
    started = []

    def press_ctrl_c():
        wait_until(lambda: world.model_calls, "the model to be asked")
        os.kill(os.getpid(), signal.SIGINT)

    def hear(event):
        if event.stage == "thread" and not started:
            started.append(threading.Thread(target=press_ctrl_c))
            started[0].start()

    with pytest.raises(KeyboardInterrupt):
        generate("a red fox", out="fox.png", on_event=hear, count=count)
    started[0].join()
    assert signal.getsignal(signal.SIGINT) is before
    checks.assert_clean(world)
