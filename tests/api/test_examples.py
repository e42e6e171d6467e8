"""The examples of docs/api.md: each is run as it is printed, with the real Codex, and passes mypy --strict."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest

from tests.support import builds, checks, docs, history
from tests.support.checks import small_png

PAGE = docs.page("docs/api.md")
EXAMPLES = dict(PAGE.marked("example"))


@pytest.fixture
def world(here, monkeypatch):
    there = here()
    (there.work / "fox.png").write_bytes(small_png("a fox"))
    monkeypatch.setenv("PATH", f"{builds.codex(builds.NEWEST).parent}:{there.environment['PATH']}")
    return there


@pytest.fixture
def run(world, capfd):
    """Runs an example as a program in this process, with Codex on PATH; returns its output."""

    def run_example(name):
        path = world.tmp / f"example_{name}.py"
        path.write_text(EXAMPLES[name])
        runpy.run_path(str(path), run_name="__main__")
        printed = capfd.readouterr()
        assert printed.err == ""
        assert world.leftovers == checks.processes(world) == []
        return printed.out.splitlines()

    return run_example


def test_page_has_one_example_of_each_function():
    assert set(EXAMPLES) == {"generate", "edit", "batch", "recover", "asyncio"}
    assert PAGE.text.count("```python") == len(EXAMPLES)


@pytest.mark.real
def test_example_of_generate_writes_a_picture(world, run):
    (world.work / "fox.png").unlink()
    *events, last = run("generate")
    assert "received" in [line.split()[0] for line in events]
    assert last.startswith(str(world.work / "fox.png"))
    assert "1024" in last  # the stand-in's picture has another size, and a warning says so
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox in the snow")


@pytest.mark.real
def test_example_of_edit_sends_the_reference(world, run):
    assert run("edit") == []
    assert checks.tool_references(world) == [small_png("a fox")]
    assert (world.work / "asleep.png").read_bytes() == small_png("the fox of image 1, asleep")


@pytest.mark.real
def test_example_of_batch_goes_on_when_run_again(world, run):
    lines = run("batch")
    folder = world.work / "harbours"
    assert sorted(lines) == sorted([f"made {folder / '0001.png'}", f"made {folder / 'night.webp'}"])
    assert sorted(run("batch")) == sorted(line.replace("made", "skipped") for line in lines)


@pytest.mark.real
def test_example_of_recover_finds_the_last_picture(world, run):
    world.history.rollout(history.user_message(), history.generated_image(small_png("an owl")))
    assert run("recover") == [f"{checks.SIDE} {checks.SIDE}"]
    assert (world.work / "found.png").read_bytes() == small_png("an owl")


@pytest.mark.real
def test_example_of_asyncio_makes_two_pictures(world):
    """In a process of its own: this one may have another test's event loop."""
    (world.tmp / "example_asyncio.py").write_text(EXAMPLES["asyncio"])
    path = f"{builds.codex(builds.NEWEST).parent}:{world.environment['PATH']}"
    done = world.run_argv([sys.executable, str(world.tmp / "example_asyncio.py")], env={"PATH": path})
    assert (done.code, done.err) == (0, "")
    assert done.text.splitlines() == [f"{world.work / 'a.png'} {world.work / 'b.png'}"]
    assert (world.work / "b.png").read_bytes() == small_png("an owl")


def test_examples_pass_mypy_strict(tmp_path, request):
    """mypy's cache is beside pytest's own."""
    for name, text in EXAMPLES.items():
        (tmp_path / f"example_{name}.py").write_text(text)
    known = getattr(request.config, "cache", None)
    cache = known.mkdir("mypy-of-examples") if known else tmp_path / "cache"
    argv = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(cache)]
    done = subprocess.run([*argv, str(tmp_path)], capture_output=True, text=True, check=False, timeout=150)
    assert (done.returncode, done.stdout) == (0, "")
