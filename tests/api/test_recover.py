"""Pictures of past sessions, and edits, from Python."""

from __future__ import annotations

import pytest

import codex_imagegen
from tests.support import builds, checks, history
from tests.support.checks import small_png
from tests.support.pictures import encoded

FOX = encoded(40, "fox")


@pytest.fixture
def thread(tmp_path, monkeypatch):
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return history.thread_of(
        history.History(tmp_path / "home").rollout(history.user_message(), history.generated_image(FOX))
    )


def test_recover_finds_by_thread_as_the_last_and_by_file(thread, tmp_path, capfd):
    result = codex_imagegen.recover(thread, out=tmp_path / "fox.png")
    assert (result.ok, result.thread_id, result.path) == (True, thread, tmp_path / "fox.png")
    assert codex_imagegen.recover(last=True, out_dir=tmp_path / "new").path == tmp_path / "new" / f"{thread}.png"
    rollout = next((tmp_path / "home").rglob("*.jsonl"))
    assert codex_imagegen.recover(rollout, out="fox.png", force=True).images[0].bytes == len(FOX)
    assert codex_imagegen.recover(thread[:8].upper(), out="fox.png", force=True).thread_id == thread
    assert (tmp_path / "fox.png").read_bytes() == FOX
    assert codex_imagegen.recover(thread, out="small.webp", size=(20, 10), fit=True).images[0].height == 10
    assert (capfd.readouterr().out, capfd.readouterr().err) == ("", "")


def test_recover_raises_for_a_missing_session_and_an_existing_file(thread):
    with pytest.raises(codex_imagegen.SessionMissing):
        codex_imagegen.recover("0199a213-81c0-7800-8aa1-bbab2a035a53")
    codex_imagegen.recover(thread)
    with pytest.raises(codex_imagegen.OutExists):
        codex_imagegen.recover(thread)


@pytest.mark.real
def test_edit_of_several_with_options_sends_all_references(here):
    world = here()
    refs = [world.work / "a.png", str(world.work / "b.png")]
    for ref in refs:
        with open(ref, "wb") as file:
            file.write(small_png(str(ref)))
    codex = builds.codex(builds.NEWEST)
    result = codex_imagegen.edit("both", refs, count=2, size=(64, 32), fit=True, out="c.webp", codex=codex)
    assert [(image.path, image.width, image.format) for image in result.images] == [
        (str(world.work / f"c-{number}.webp"), 64, "webp") for number in (1, 2)
    ]  # fmt: skip
    assert checks.tool_references(world) == [small_png(str(ref)) for ref in refs] * 2
    checks.assert_clean(world)
