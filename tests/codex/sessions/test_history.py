"""Past sessions: found in every folder of the Codex home, newest first, by their names alone."""

from __future__ import annotations

import os
import time

import pytest

from codex_imagegen.codex.sessions import history as sessions
from tests.support import history

YEAR_SEC = 365 * 86_400


@pytest.fixture
def codex_home(tmp_path):
    return history.History(tmp_path / "home")


def ids(codex_home):
    return [found.thread_id for found in sessions.iter_newest(str(codex_home.home))]


def test_find_looks_first_in_the_days_of_the_thread_id(codex_home, monkeypatch):
    rollout = codex_home.rollout(at=time.time() - YEAR_SEC)
    monkeypatch.setattr(sessions, "iter_all_rollouts", pytest.fail)
    assert sessions.find_session(str(codex_home.home), history.thread_of(rollout)) == sessions.SessionRef(
        history.thread_of(rollout), str(rollout)
    )


@pytest.mark.parametrize("where", [{"days_off": 40}, {"archived": True}, {"thread_id": history.new_thread_id(0)}])
def test_find_looks_in_other_days_and_in_the_archive(codex_home, where):
    rollout = codex_home.rollout(**where)
    assert sessions.find_session(str(codex_home.home), history.thread_of(rollout)).path == str(rollout)


def test_find_of_a_thread_without_a_rollout_uses_its_folder_of_pictures(codex_home):
    thread = history.new_thread_id()
    codex_home.saved(thread, b"x")
    assert sessions.find_session(str(codex_home.home), thread) == sessions.SessionRef(thread, None)
    assert sessions.find_session(str(codex_home.home), history.new_thread_id()) is None


def test_find_prefers_a_rollout_to_a_compressed_one(codex_home):
    rollout = codex_home.rollout()
    compressed = rollout.rename(f"{rollout}.zst")
    found = sessions.find_session(str(codex_home.home), history.thread_of(rollout))
    assert (found.path, found.is_compressed) == (str(compressed), True)
    plain = codex_home.rollout(thread_id=history.thread_of(rollout), archived=True)
    assert sessions.find_session(str(codex_home.home), history.thread_of(rollout)).path == str(plain)


def test_newest_orders_rollouts_and_folders_by_time(codex_home):
    now = time.time()
    threads = [history.new_thread_id(now - hours * 3600) for hours in range(60)]
    for number, thread in enumerate(threads):
        if number % 3 == 0:
            codex_home.saved(thread, b"x")
        if number % 3 != 0 or number % 2:
            codex_home.rollout(thread_id=thread, at=now - number * 3600, archived=number % 5 == 0)
    assert ids(codex_home) == threads


def test_newest_lists_no_more_folders_than_needed(codex_home, monkeypatch):
    for days in range(5):
        codex_home.rollout(at=time.time() - days * 86_400 * 40)
    listed = []
    entries = sessions._entries
    monkeypatch.setattr(sessions, "_entries", lambda folder: listed.append(folder) or entries(folder))
    next(sessions.iter_newest(str(codex_home.home)))
    assert len([folder for folder in listed if "/sessions/" in folder]) <= 3


def test_newest_skips_files_that_are_not_rollouts(codex_home, tmp_path):
    rollout = codex_home.rollout()
    day = rollout.parent
    (day / "rollout-2026-01-01T00-00-00-../../x.jsonl".replace("/", "-")).write_text("x")
    (day / f"rollout-2026-01-01T00-00-00-{history.new_thread_id()}.txt").write_text("x")
    (day / f"{rollout.name[:-42]}{history.new_thread_id()}.jsonl").symlink_to("/etc/passwd")
    os.mkfifo(day / f"rollout-2026-01-01T00-00-00-{history.new_thread_id()}.jsonl")
    (codex_home.home / "generated_images").mkdir()
    (codex_home.home / "generated_images" / history.new_thread_id()).symlink_to(tmp_path)
    (codex_home.home / "generated_images" / "..x").mkdir()
    assert ids(codex_home) == [history.thread_of(rollout)]


def test_newest_without_a_home_is_empty(tmp_path):
    assert list(sessions.iter_newest(str(tmp_path / "nowhere"))) == []
    assert sessions.find_session(str(tmp_path / "nowhere"), history.new_thread_id()) is None


def test_read_ref_reads_the_thread_from_record_or_name(codex_home, tmp_path):
    rollout = codex_home.rollout()
    renamed = rollout.rename(tmp_path / "mine.jsonl")
    assert sessions.read_ref(str(renamed)).thread_id == history.thread_of(rollout)
    named = tmp_path / rollout.name
    named.write_bytes(b"rubbish")
    assert sessions.read_ref(str(named)).thread_id == history.thread_of(rollout)
    renamed.write_bytes(history.rollout_line(history.session_meta("../../etc")) + b"\n")
    assert sessions.read_ref(str(renamed)).thread_id is None


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_read_ref_refuses_folders_and_fifos(tmp_path, make):
    path = str(tmp_path / "x.jsonl")
    make(path)
    with pytest.raises(ValueError, match="not a file"):
        sessions.read_ref(path)


def test_ref_without_a_time_in_its_id_takes_it_from_the_name():
    assert sessions.SessionRef("0" * 8 + "-0000-4000-8000-" + "0" * 12, None).created_at == 0.0
    name = f"rollout-2026-01-02T03-04-05-{'0' * 8}-0000-4000-8000-{'0' * 12}.jsonl"
    found = sessions.SessionRef("00000000-0000-4000-8000-000000000000", f"/x/{name}")
    assert time.localtime(found.created_at)[:5] == (2026, 1, 2, 3, 4)
    odd = sessions.SessionRef(found.thread_id, f"/x/{name.replace('01-02T', '99-99T')}")
    assert odd.created_at == 0.0


def test_newest_lists_a_rollout_and_not_its_compressed_copy(codex_home):
    rollout = codex_home.rollout()
    rollout.with_name(f"{rollout.name}.zst").write_bytes(b"")
    assert [found.path for found in sessions.iter_newest(str(codex_home.home))] == [str(rollout)]
