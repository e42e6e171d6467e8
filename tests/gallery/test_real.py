"""A page of pictures that the real Codex made."""

from __future__ import annotations

import pytest

from tests.gallery.page import entries_of
from tests.support import builds
from tests.support.checks import DrawsSmall, every_build, small_png
from tests.support.in_process import call

pytestmark = pytest.mark.real


@pytest.mark.parametrize("version", every_build())
def test_gallery_of_real_sessions_shows_prompts_and_references(lab, version):
    world = lab(version, script=DrawsSmall())
    (world.work / "ref.png").write_bytes(small_png("a reference"))
    assert world.run("--prompt", "a red fox", "--out", "fox.png").code == 0
    assert world.run("--prompt", "as a king", "--ref", "ref.png", "--out", "king.png").code == 0
    (world.work / "king.png").unlink()
    done = call("gallery", "--json", environment=world.environment, folder=world.work)
    assert (done.code, done.err, done.json["pictures"], done.json["broken"]) == (0, "", 2, 0)
    king, fox = entries_of((world.work / "codex-gallery.html").read_text())
    assert (king["prompt"], king["referenceCount"], len(king["references"])) == ("as a king", 1, 1)
    assert (fox["prompt"], fox["referenceCount"], fox["codex"]) == ("a red fox", 0, version)
    assert all(entry["model"] and entry["size"] == "160 × 160" for entry in (king, fox))
    if builds.number(version) >= (0, 117):
        assert king["saved"].startswith(f"file://{world.home}/generated_images/{king['thread']}/")
    recover = ("recover", king["thread"], "--out", "king.png")
    again = call(*recover, environment=world.environment, folder=world.work)
    assert again.code == 0
    assert (world.work / "king.png").read_bytes() == small_png("as a king")
