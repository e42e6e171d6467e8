"""The layout of a Codex home: day folders, new rollouts, and first records."""

from __future__ import annotations

import json
import os
import time

import pytest

from codex_imagegen.codex.sessions import layout
from tests.support import recorded_runs

THREAD = "01a1fbe6-1832-7db0-957e-ac10944ce8db"
NOON = time.mktime((2026, 11, 21, 12, 0, 0, 0, 0, -1))


def rollout(folder, name: str = f"rollout-2026-11-21T12-00-00-{THREAD}.jsonl", data: bytes = b"x\n"):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def days(folders: list[str]) -> list[str]:
    return ["-".join(folder.split(os.sep)[-3:]) for folder in folders]


def test_home_follows_symlinks(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    assert layout.codex_home({"CODEX_HOME": str(link)}) == os.path.realpath(real)


def test_home_without_its_variable_is_the_default(own_home):
    expected = os.path.realpath(own_home / ".codex")
    assert layout.codex_home({}) == layout.codex_home({"CODEX_HOME": ""}) == expected


def test_folders_begin_with_today():
    assert days(layout.list_day_folders("/h", NOON)) == ["2026-11-21", "2026-11-20", "2026-11-22"]
    assert layout.list_day_folders("/h", NOON)[0] == "/h/sessions/2026/11/21"


@pytest.mark.parametrize("name", ["UTC", "Pacific/Auckland", "America/Los_Angeles", "Asia/Kolkata"])
def test_folders_are_local_days(zone, name):
    zone(name)
    last_second = time.mktime((2026, 12, 31, 23, 59, 59, 0, 0, -1))
    assert days(layout.list_day_folders("/h", last_second)) == ["2026-12-31", "2026-12-30", "2027-01-01"]
    assert days(layout.list_day_folders("/h", last_second + 1)) == ["2027-01-01", "2026-12-31", "2027-01-02"]


@pytest.mark.parametrize("name", ["UTC", "Pacific/Auckland", "America/Los_Angeles"])
def test_folders_include_those_of_other_time_zones(zone, name):
    """A Codex with another TZ is at most a day away."""
    zone(name)
    for hour in range(0, 24, 3):
        now = NOON + hour * 3600
        here = days(layout.list_day_folders("/h", now))
        for offset in (-12, 0, 14):
            assert time.strftime("%Y-%m-%d", time.gmtime(now + offset * 3600)) in here


def test_folders_skip_no_day_in_summer_time(zone):
    zone("Europe/Berlin")
    for day in (28, 29, 30):  # 2026-03-29 has 23 hours
        for hour in (0, 1, 3, 23):
            now = time.mktime((2026, 3, day, hour, 30, 0, 0, 0, -1))
            assert set(days(layout.list_day_folders("/h", now))) == {f"2026-03-{d:02}" for d in (day - 1, day, day + 1)}


def test_snapshot_has_only_rollouts(tmp_path):
    day = str(tmp_path / "day")
    path = rollout(day, data=b"12345")
    rollout(day, "other.jsonl")
    rollout(day, "rollout-x.jsonl.zst")
    rollout(day, "rollout-x.json")
    assert layout.snapshot([day, str(tmp_path / "none")]) == {path: 5}


def test_find_grown_gives_new_and_longer_files(tmp_path):
    day = str(tmp_path)
    same, longer, shorter = (rollout(day, f"rollout-{name}.jsonl", b"12345") for name in "abc")
    before = layout.snapshot([day])
    with open(longer, "ab") as file:
        file.write(b"6")
    with open(shorter, "wb") as file:
        file.write(b"1")
    new, empty = rollout(day, "rollout-d.jsonl"), rollout(day, "rollout-e.jsonl", b"")
    assert dict(layout.find_grown([day], before)) == {longer: 5, new: 0}
    assert {same, shorter, empty} <= set(layout.snapshot([day]))


def test_find_rollout_finds_a_thread_by_the_end_of_the_name(tmp_path):
    other = THREAD.replace("0", "9")
    path = rollout(tmp_path / "b")
    rollout(tmp_path / "a", f"rollout-2026-11-21T12-00-00-{other}.jsonl")
    folders = [str(tmp_path / name) for name in ("none", "a", "b")]
    assert layout.find_rollout(folders, THREAD) == path
    assert layout.find_rollout(folders, other.replace("9", "8")) is None


@recorded_runs.for_each([one for one in recorded_runs.load_all() if one.lines])
def test_meta_of_every_recording(recording):
    meta = layout.read_meta(str(recording.path))
    assert meta is not None
    assert meta.thread_id == recording.events().thread_id
    assert meta.cwd == "/tmp/codex-imagegen-run-x"
    assert meta.codex_version == recording.run["build"].partition("-")[0]


def test_meta_needs_the_whole_first_line(tmp_path):
    first = recorded_runs.load("0.169.0-fn-ok").lines[0]
    path = rollout(tmp_path, data=first)
    assert layout.read_meta(path) is None
    path = rollout(tmp_path, data=first + b"\n{torn")
    assert layout.read_meta(path) is not None
    assert layout.read_meta(str(tmp_path / "none")) is None
    assert layout.read_meta(str(tmp_path)) is None


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"x\n",
        b"[]\n",
        b"null\n",
        b"[" * 9000 + b"\n",
        b'{"type":"session_meta","payload":[]}\n',
        b'{"type":"session_meta","payload":{"id":5}}\n',
        b'{"type":"session_meta","payload":{"id":"../x"}}\n',
        b'{"type":"event_msg","payload":{"id":"x"}}\n',
        b"\xff\xfe\n",
    ],
)
def test_meta_of_another_record_is_none(line):
    assert layout.parse_meta(line) is None


def test_meta_without_folder_or_version_has_none():
    meta = {"type": "session_meta", "payload": {"id": THREAD, "cwd": 5, "cli_version": None}}
    assert layout.parse_meta(json.dumps(meta).encode() + b"\n") == layout.SessionMeta(THREAD, None, None)


def test_meta_reads_no_more_than_the_first_record(tmp_path, monkeypatch):
    monkeypatch.setattr(layout, "MAX_FIRST_RECORD", 100)
    assert layout.read_meta(rollout(tmp_path, data=b"x" * 1000 + b"\n")) is None


def test_created_at_is_the_time_in_the_thread_id():
    created = layout.created_at(THREAD)
    assert created is not None
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(created)) == "2026-11-21 02:18:43"
    assert layout.created_at("01a1fbe6-1832-4db0-957e-ac10944ce8db") is None


def test_created_at_is_when_the_recording_was_made():
    for recording in recorded_runs.load_all("ok"):
        created = layout.created_at(str(recording.events().thread_id))
        assert created is not None
        assert abs(created - recording.run["recorded_at"]) < 60


def test_pictures_folder_is_that_of_the_thread():
    assert layout.pictures_folder("/h", THREAD) == f"/h/generated_images/{THREAD}"


@pytest.mark.parametrize("text", ["", "x", "../" + THREAD, THREAD + "\n", THREAD + "/x", THREAD.replace("-", "")])
def test_thread_id_is_only_a_uuid(text):
    assert layout.THREAD_ID.match(THREAD)
    assert not layout.THREAD_ID.match(text)


def test_meta_has_source_and_fork():
    payload = {"id": THREAD, "cwd": "/x", "cli_version": "0.169.0", "source": "exec", "forked_from_id": THREAD}
    line = json.dumps({"type": "session_meta", "payload": payload}).encode() + b"\n"
    assert layout.parse_meta(line) == layout.SessionMeta(THREAD, "/x", "0.169.0", "exec", THREAD)
    odd = (
        json.dumps({"type": "session_meta", "payload": {**payload, "source": {"subagent": "x"}, "cwd": 7}}).encode()
        + b"\n"
    )
    assert layout.parse_meta(odd) == layout.SessionMeta(THREAD, None, "0.169.0", None, THREAD)
