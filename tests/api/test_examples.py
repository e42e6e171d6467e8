"""The examples of docs/api.md: each is run as it is printed, with the real Codex, and passes mypy --strict."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support import checks, docs
from tests.support.checks import Small, made

PAGE = docs.page("docs/api.md")
EXAMPLES = dict(PAGE.marked("example"))


@pytest.fixture
def world(lab):
    there = lab(script=Small())
    (there.work / "fox.png").write_bytes(made("a fox"))
    return there


def run(world, name):
    """Run one example as a program of its own, with Codex on PATH."""
    done = docs.run_python(world, EXAMPLES[name])
    assert (done.code, done.err) == (0, "")
    assert world.leftovers == checks.processes(world) == []
    return done.text.splitlines()


def test_there_is_one_of_each():
    assert set(EXAMPLES) == {"generate", "edit", "batch", "recover", "asyncio"}
    assert PAGE.text.count("```python") == len(EXAMPLES)


@pytest.mark.real
def test_generate(world):
    (world.work / "fox.png").unlink()
    *events, last = run(world, "generate")
    assert "landed" in [line.split()[0] for line in events]
    assert last.startswith(str(world.work / "fox.png"))
    assert "1024" in last  # the stand-in's picture has another size, and a warning says so
    assert (world.work / "fox.png").read_bytes() == made("a red fox in the snow")


@pytest.mark.real
def test_edit(world):
    assert run(world, "edit") == []
    assert checks.edited(world) == [made("a fox")]
    assert (world.work / "asleep.png").read_bytes() == made("the fox of image 1, asleep")


@pytest.mark.real
def test_batch(world):
    lines = run(world, "batch")
    folder = world.work / "harbours"
    assert sorted(lines) == sorted([f"made {folder / '0001.png'}", f"made {folder / 'night.webp'}"])
    assert sorted(run(world, "batch")) == sorted(line.replace("made", "there") for line in lines)


@pytest.mark.real
def test_recover(world):
    assert world.run("--prompt", "an owl", "--out", "owl.png").code == 0
    assert run(world, "recover") == [f"{checks.SIDE} {checks.SIDE}"]
    assert (world.work / "found.png").read_bytes() == made("an owl")


@pytest.mark.real
def test_asyncio(world):
    assert run(world, "asyncio") == [f"{world.work / 'a.png'} {world.work / 'b.png'}"]
    assert (world.work / "b.png").read_bytes() == made("an owl")


def test_mypy_takes_them(tmp_path):
    for name, text in EXAMPLES.items():
        (tmp_path / f"example_{name}.py").write_text(text)
    argv = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache")]
    done = subprocess.run([*argv, str(tmp_path)], capture_output=True, text=True, check=False, timeout=150)
    assert (done.returncode, done.stdout) == (0, "")
