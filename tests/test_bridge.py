"""The whole bridge, through the installed command and the real Codex: text to picture on every build."""

from __future__ import annotations

import pytest

from codex_imagegen.demo.drawing import draw
from tests.support import builds

pytestmark = pytest.mark.real


@pytest.mark.parametrize("version", builds.BUILDS)
def test_text_to_picture(lab, version):
    world = lab(version)
    done = world.run("--prompt", "a red fox", "--out", "fox.png")
    assert (done.code, done.err) == (0, "")
    assert done.text == f"{world.work / 'fox.png'}\n"
    assert (world.work / "fox.png").read_bytes() == draw("a red fox")
    assert world.model_calls == 1
    assert world.leftovers == []
