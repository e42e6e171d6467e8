"""Two Codex homes served by one process, with the real Codex: each call has its own, and no global state changes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

import codex_imagegen
from tests.support import builds, checks, history
from tests.support.checks import DrawsSmall, small_png
from tests.support.pictures import encoded

CODEX = builds.codex(builds.NEWEST)


@pytest.fixture
def homes(here, lab, monkeypatch):
    """Two labs, each with its own back end; CODEX_HOME is neither."""
    worlds = here(), lab(script=DrawsSmall())
    monkeypatch.setenv("CODEX_HOME", str(worlds[0].tmp / "of-nobody"))
    return worlds


@pytest.mark.real
def test_two_threads_draw_in_two_homes_at_once(homes):
    before, barrier, results = dict(os.environ), threading.Barrier(2, timeout=60), {}

    def hear(event):
        if event.stage == "thread":
            barrier.wait()  # both run at this moment

    def work(name, world):
        results[name] = codex_imagegen.generate(
            name, out=world.work / "fox.png", codex=CODEX, codex_home=world.home, on_event=hear
        )

    threads = [threading.Thread(target=work, args=(f"fox {n}", world)) for n, world in enumerate(homes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    for name, world in zip(("fox 0", "fox 1"), homes, strict=True):
        assert (world.work / "fox.png").read_bytes() == small_png(name)
        (rollout,) = world.rollouts()
        assert results[name].thread_id in rollout.name
        assert world.model_calls >= 1
        checks.assert_clean(world)
    assert dict(os.environ) == before


@pytest.mark.real
def test_batch_edit_and_recover_use_their_codex_home(homes):
    first, second = homes
    jobs = ["a fox", {"prompt": "an owl", "codex_home": first.home}]
    outcomes = codex_imagegen.batch(jobs, out_dir=second.work / "out", codex=CODEX, codex_home=second.home)
    assert [outcome.status for outcome in outcomes] == ["made", "made"]
    assert [len(world.rollouts()) for world in homes] == [1, 1]
    result = codex_imagegen.edit(
        "asleep", outcomes[0].out, out=second.work / "b.png", codex=CODEX, codex_home=str(second.home)
    )
    assert [len(world.rollouts()) for world in homes] == [1, 2]
    found = codex_imagegen.recover(result.thread_id, out=second.work / "again.png", codex_home=second.home)
    assert found.images[0].sha256 == result.images[0].sha256
    with pytest.raises(codex_imagegen.SessionMissing):
        codex_imagegen.recover(result.thread_id, out=second.work / "no.png", codex_home=first.home)


def test_codex_home_may_be_relative_or_in_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CODEX_HOME", "/no/such/folder")
    monkeypatch.chdir(tmp_path)
    thread = history.thread_of(
        history.History(tmp_path / "mine").rollout(history.user_message(), history.generated_image(encoded(40, "fox")))
    )
    for n, home in enumerate(("mine", "~/mine", Path("mine"), tmp_path / "mine")):
        assert codex_imagegen.recover(thread, out=f"{n}.png", codex_home=home).thread_id == thread
