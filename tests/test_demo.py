"""The demonstration: with the real Codex, and with the understudy where there is none."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from codex_imagegen.demo.drawing import draw
from codex_imagegen.demo.show import PROMPT
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
