"""Past sessions are found wherever they are, newest first, by their names alone."""

from __future__ import annotations

import os
import time

import pytest

from codex_imagegen.codex import history
from tests.support import past

YEAR_SEC = 365 * 86_400


@pytest.fixture
def there(tmp_path):
    return past.Past(tmp_path / "home")


def ids(there):
    return [found.thread_id for found in history.newest(str(there.home))]


def test_a_thread_is_found_in_the_days_that_its_id_names(there, monkeypatch):
    rollout = there.rollout(at=time.time() - YEAR_SEC)
    monkeypatch.setattr(history, "everywhere", pytest.fail)
    assert history.find(str(there.home), past.id_of(rollout)) == history.Past(past.id_of(rollout), str(rollout))


@pytest.mark.parametrize("where", [{"days_off": 40}, {"archived": True}, {"thread_id": past.thread(0)}])
def test_a_thread_is_found_wherever_else_it_is(there, where):
    rollout = there.rollout(**where)
    assert history.find(str(there.home), past.id_of(rollout)).path == str(rollout)


def test_a_thread_of_which_only_the_pictures_are_left(there):
    thread = past.thread()
    there.saved(thread, b"x")
    assert history.find(str(there.home), thread) == history.Past(thread, None)
    assert history.find(str(there.home), past.thread()) is None


def test_a_compressed_rollout_is_found_where_there_is_no_other(there):
    rollout = there.rollout()
    packed = rollout.rename(f"{rollout}.zst")
    found = history.find(str(there.home), past.id_of(rollout))
    assert (found.path, found.packed) == (str(packed), True)
    whole = there.rollout(thread_id=past.id_of(rollout), archived=True)
    assert history.find(str(there.home), past.id_of(rollout)).path == str(whole)


def test_the_newest_comes_first_whatever_it_is(there):
    now = time.time()
    threads = [past.thread(now - hours * 3600) for hours in range(60)]
    for number, thread in enumerate(threads):
        if number % 3 == 0:
            there.saved(thread, b"x")
        if number % 3 != 0 or number % 2:
            there.rollout(thread_id=thread, at=now - number * 3600, archived=number % 5 == 0)
    assert ids(there) == threads


def test_folders_are_listed_only_as_far_as_they_are_asked_for(there, monkeypatch):
    for days in range(5):
        there.rollout(at=time.time() - days * 86_400 * 40)
    listed = []
    entries = history._entries
    monkeypatch.setattr(history, "_entries", lambda folder: listed.append(folder) or entries(folder))
    next(history.newest(str(there.home)))
    assert len([folder for folder in listed if "/sessions/" in folder]) <= 3


def test_what_is_no_rollout_is_passed_by(there, tmp_path):
    rollout = there.rollout()
    day = rollout.parent
    (day / "rollout-2026-01-01T00-00-00-../../x.jsonl".replace("/", "-")).write_text("x")
    (day / f"rollout-2026-01-01T00-00-00-{past.thread()}.txt").write_text("x")
    (day / f"{rollout.name[:-42]}{past.thread()}.jsonl").symlink_to("/etc/passwd")
    os.mkfifo(day / f"rollout-2026-01-01T00-00-00-{past.thread()}.jsonl")
    (there.home / "generated_images").mkdir()
    (there.home / "generated_images" / past.thread()).symlink_to(tmp_path)
    (there.home / "generated_images" / "..x").mkdir()
    assert ids(there) == [past.id_of(rollout)]


def test_a_home_without_sessions_has_no_past(tmp_path):
    assert list(history.newest(str(tmp_path / "nowhere"))) == []
    assert history.find(str(tmp_path / "nowhere"), past.thread()) is None


def test_a_file_tells_its_thread_by_its_first_record_or_its_name(there, tmp_path):
    rollout = there.rollout()
    renamed = rollout.rename(tmp_path / "mine.jsonl")
    assert history.of_file(str(renamed)).thread_id == past.id_of(rollout)
    named = tmp_path / rollout.name
    named.write_bytes(b"rubbish")
    assert history.of_file(str(named)).thread_id == past.id_of(rollout)
    renamed.write_bytes(past.line(past.meta("../../etc")) + b"\n")
    assert history.of_file(str(renamed)).thread_id is None


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused(tmp_path, make):
    path = str(tmp_path / "x.jsonl")
    make(path)
    with pytest.raises(ValueError, match="no file"):
        history.of_file(path)


def test_without_a_time_in_the_id_the_name_tells_it():
    assert history.Past("0" * 8 + "-0000-4000-8000-" + "0" * 12, None).time == 0.0
    name = f"rollout-2026-01-02T03-04-05-{'0' * 8}-0000-4000-8000-{'0' * 12}.jsonl"
    found = history.Past("00000000-0000-4000-8000-000000000000", f"/x/{name}")
    assert time.localtime(found.time)[:5] == (2026, 1, 2, 3, 4)
    odd = history.Past(found.thread_id, f"/x/{name.replace('01-02T', '99-99T')}")
    assert odd.time == 0.0


def test_a_rollout_comes_before_its_compressed_copy(there):
    rollout = there.rollout()
    rollout.with_name(f"{rollout.name}.zst").write_bytes(b"")
    assert [found.path for found in history.newest(str(there.home))] == [str(rollout)]
