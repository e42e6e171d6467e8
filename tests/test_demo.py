"""The demonstration: with the real Codex, and with the understudy where there is none."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.codex.stream import Words
from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.show import PROMPT, prove
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.model import Request
from tests.support import builds
from tests.support.lab import COMMAND


def path_without_codex(tmp_path):
    """A PATH on which there is Python's own folder and nothing of npm's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    return f"{folder}{os.pathsep}{os.path.dirname(sys.executable)}"


@pytest.mark.real
@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_with_the_real_codex(lab, version, own_home):
    world = lab(version)
    done = world.run("demo", "--out", "hills.png", env={"HOME": str(own_home), "CODEX_HOME": str(own_home / ".codex")})
    assert done.code == 0, done
    assert done.err.startswith(f"demo: the real Codex {version},")
    assert (world.work / "hills.png").read_bytes() == draw(PROMPT)
    assert world.standin.calls == []
    assert not (own_home / ".codex").exists()
    assert [name for name in os.listdir(world.tmp) if name.startswith("codex-imagegen")] == []


@pytest.mark.real
@pytest.mark.parametrize(
    "version", [builds.OLDEST, pytest.param("0.145.0", marks=pytest.mark.every_build), builds.NEWEST]
)
@pytest.mark.parametrize("named", ["by HOME", "by CODEX_HOME"])
def test_nothing_is_made_or_changed_in_the_users_home(lab, own_home, version, named):
    """A home outside TMPDIR, as people have it: in one that lies there, Codex makes no folders of its own."""
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


@pytest.mark.real
def test_the_doctors_proof_makes_and_changes_nothing_there_either(own_home, tmp_path, monkeypatch):
    codex_home = own_home / ".codex"
    codex_home.mkdir()
    (tmp_path / "tmp").mkdir()
    for name, value in (("TMPDIR", tmp_path / "tmp"), ("CODEX_SQLITE_HOME", codex_home)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = {path: path.stat().st_mtime_ns for path in own_home.rglob("*")}
    request = Request(prompt=PROMPT, out=str(tmp_path / "hills.png"), codex=str(builds.codex(builds.NEWEST)))
    assert prove(request, builds.NEWEST, interrupt=Interrupt()).ok
    assert {path: path.stat().st_mtime_ns for path in own_home.rglob("*")} == before
    assert os.listdir(tmp_path / "tmp") == []


def test_with_the_understudy(lab, tmp_path):
    world = lab()
    done = world.run_argv([COMMAND, "demo", "--prompt", "a fox", "--json"], env={"PATH": path_without_codex(tmp_path)})
    assert done.code == 0, done
    assert "an understudy plays its part" in done.err
    told = done.json
    image = Image.open(io.BytesIO(Path(told["images"][0]["path"]).read_bytes()))
    assert (image.format, image.size, told["images"][0]["original"]) == ("PNG", (1254, 1254), True)
    assert world.leftovers == []


def test_a_codex_that_is_too_old_leaves_the_stage_to_the_understudy(lab, tmp_path):
    world = lab()
    old = tmp_path / "codex"
    old.write_text("#!/bin/sh\necho codex-cli 0.98.0\n")
    old.chmod(0o755)
    done = world.run_argv([COMMAND, "demo", "--codex", str(old), "--out", "hills.png"])
    assert done.code == 0, done
    assert "an understudy plays its part" in done.err


def test_a_codex_that_is_not_there_is_an_error(lab):
    done = lab().run_argv([COMMAND, "demo", "--codex", "/nowhere/codex", "--json"])
    assert (done.code, done.json["error"]["code"]) == (3, "codex-missing")


def test_an_output_that_is_there_is_left_alone(lab):
    world = lab()
    (world.work / "hills.png").write_bytes(b"mine")
    done = world.run_argv([COMMAND, "demo", "--out", "hills.png", "--json"])
    assert (done.code, done.json["error"]["code"]) == (73, "out-exists")
    assert (world.work / "hills.png").read_bytes() == b"mine"


def test_the_same_words_give_the_same_hills():
    assert draw("a fox", side=64) == draw("a fox", side=64) != draw("two foxes", side=64)
    assert Image.open(io.BytesIO(draw("\ud800", side=64))).size == (64, 64)


def test_the_understudy_says_that_it_reads_its_prompt(tmp_path):
    """A Codex of unknown version that does not is waited for before it gets one."""
    argv = [sys.executable, "-m", "codex_imagegen.demo.understudy", "-C", str(tmp_path)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CODEX_HOME": str(tmp_path / "home")}
    done = subprocess.run(argv, input=b"a fox", capture_output=True, env=environment, check=True, timeout=60)
    words = Words()
    words.feed(done.stderr)
    assert words.reads_stdin
