"""``codex-imagegen demo`` with the real Codex, and with the fake one where there is none."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.codex.run.events import StderrTail
from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.sandbox import PROMPT, run_real_codex
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Request
from tests.support import builds
from tests.support.in_process import call
from tests.support.lab import COMMAND


def path_without_codex(tmp_path):
    """A PATH with Python's own folder and nothing of npm's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    return f"{folder}{os.pathsep}{os.path.dirname(sys.executable)}"


@pytest.mark.real
@pytest.mark.parametrize(
    ("version", "named"),
    [
        (builds.NEWEST, "by HOME"),
        (builds.OLDEST, "by CODEX_HOME"),
        pytest.param("0.145.0", "by HOME", marks=pytest.mark.every_build),
        pytest.param(builds.NEWEST, "by CODEX_HOME", marks=pytest.mark.every_build),
    ],
)
def test_demo_with_real_codex_leaves_the_home_unchanged(lab, own_home, version, named):
    """The home is outside TMPDIR, as usual: Codex creates no folders of its own in a home inside TMPDIR."""
    world = lab(version)
    codex_home = own_home / ("else/where" if named == "by CODEX_HOME" else ".codex")
    codex_home.mkdir(parents=True)
    (codex_home / "config.toml").write_text('model = "mine"\n')
    env = {"HOME": str(own_home), "CODEX_HOME": str(codex_home), "CODEX_SQLITE_HOME": str(codex_home)}
    before = {path: path.stat().st_mtime_ns for path in own_home.rglob("*")}
    environment = {**world.environment, **env}
    if named == "by HOME":
        del environment["CODEX_HOME"]
    done = subprocess.run(
        world.argv("demo", "--out", "hills.png"), env=environment, cwd=world.work, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert (done.returncode, (world.work / "hills.png").read_bytes()) == (0, draw(PROMPT))
    assert done.stderr.startswith(f"demo: the real Codex {version},")
    assert {path: path.stat().st_mtime_ns for path in own_home.rglob("*")} == before
    assert (world.standin.calls, world.leftovers) == ([], [])


@pytest.mark.every_build
@pytest.mark.real
def test_run_of_given_codex_leaves_the_home_unchanged(own_home, tmp_path, monkeypatch):
    codex_home = own_home / ".codex"
    codex_home.mkdir()
    (tmp_path / "tmp").mkdir()
    for name, value in (("TMPDIR", tmp_path / "tmp"), ("CODEX_SQLITE_HOME", codex_home)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = {path: path.stat().st_mtime_ns for path in own_home.rglob("*")}
    request = Request(prompt=PROMPT, out=str(tmp_path / "hills.png"), codex=str(builds.codex(builds.NEWEST)))
    assert run_real_codex(request, builds.NEWEST, interrupt=Interrupt()).ok
    assert {path: path.stat().st_mtime_ns for path in own_home.rglob("*")} == before
    assert os.listdir(tmp_path / "tmp") == []


def test_demo_without_codex_uses_the_fake_one(lab, tmp_path):
    world = lab(offline=True)
    done = world.run_argv([COMMAND, "demo", "--prompt", "a fox", "--json"], env={"PATH": path_without_codex(tmp_path)})
    assert done.code == 0, done
    assert "using a built-in fake Codex" in done.err
    (delivered,) = done.json["images"]
    image = Image.open(io.BytesIO(Path(delivered["path"]).read_bytes()))
    assert (image.format, image.size, delivered["original"]) == ("PNG", (1254, 1254), True)
    assert world.leftovers == []


def test_demo_with_old_codex_uses_the_fake_one(lab, tmp_path):
    world = lab(offline=True)
    codex = tmp_path / "codex"
    codex.write_text("#!/bin/sh\necho codex-cli 0.98.0\n")
    codex.chmod(0o755)
    done = world.call("demo", "--codex", str(codex), "--out", "hills.png")
    assert done.code == 0, done
    assert "using a built-in fake Codex" in done.err


def test_demo_with_missing_codex_fails():
    done = call("demo", "--codex", "/nowhere/codex", "--json")
    assert (done.code, done.json["error"]["code"]) == (3, "codex-missing")


def test_demo_names_its_picture_after_the_prompt(lab, tmp_path):
    world = lab()
    environment = {**world.environment, "PATH": path_without_codex(tmp_path)}
    done = call("demo", "--out", "new/", environment=environment, folder=world.work)
    assert done.lines == [str(world.work / "new" / "a-range-of-hills-at-the-end-of-the-day.png")]


def test_demo_refuses_an_existing_output(lab):
    world = lab(offline=True)
    (world.work / "hills.png").write_bytes(b"mine")
    done = world.call("demo", "--out", "hills.png", "--json")
    assert (done.code, done.json["error"]["code"]) == (73, "out-exists")
    assert (world.work / "hills.png").read_bytes() == b"mine"


def test_drawing_depends_on_the_prompt_only():
    assert draw("a fox", side=64) == draw("a fox", side=64) != draw("two foxes", side=64)
    assert Image.open(io.BytesIO(draw("\ud800", side=64))).size == (64, 64)


def test_fake_codex_says_that_it_reads_its_prompt(tmp_path):
    """A Codex of unknown version gets its prompt only once it says that, or after a wait."""
    argv = [sys.executable, "-m", "codex_imagegen.demo.fake_codex", "-C", str(tmp_path)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODEX_HOME": str(tmp_path / "home")}
    done = subprocess.run(argv, input=b"a fox", capture_output=True, env=environment, check=True, timeout=60)
    words = StderrTail()
    words.feed(done.stderr)
    assert words.reads_stdin
