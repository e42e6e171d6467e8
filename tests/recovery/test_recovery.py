"""Recovery in the process: it can be interrupted, and keeps few pictures in memory."""

from __future__ import annotations

import pytest

from codex_imagegen.errors import Interrupted
from codex_imagegen.recovery import search, write
from codex_imagegen.recovery.write import RecoveryOutput
from tests.support import history
from tests.support.pictures import encoded


@pytest.fixture
def threads(tmp_path, monkeypatch):
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "home"))
    codex_home = history.History(tmp_path / "home")
    return [history.thread_of(codex_home.rollout(history.generated_image(encoded(20, number)))) for number in range(3)]


def test_recover_with_an_interrupt_ends(threads, tmp_path, monkeypatch):
    calls = []

    def interrupted(_home, found):
        calls.append(found)
        raise Interrupted("interrupted")

    monkeypatch.setattr(search, "read_session", interrupted)
    with pytest.raises(Interrupted):
        write.recover(threads, RecoveryOutput(out_dir=str(tmp_path / "out")))
    assert len(calls) == 1


def test_recover_keeps_the_pictures_of_one_session_at_a_time(threads, tmp_path, monkeypatch):
    seen = []
    read = search.read_session

    def counted(home, found):
        assert all(not earlier.pictures for earlier in seen)
        seen.append(read(home, found))
        return seen[-1]

    monkeypatch.setattr(search, "read_session", counted)
    assert write.recover(threads, RecoveryOutput(out_dir=str(tmp_path / "out"))).ok
    assert len(list((tmp_path / "out").iterdir())) == len(seen) == 3
