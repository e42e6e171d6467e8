"""The fallback below the records: saved files, and unrecognized images."""

from __future__ import annotations

import base64
import json
import os

from codex_imagegen.codex.sessions import fallback
from tests.support import recorded_runs
from tests.support.pictures import encoded


def put(folder, name: str, data: bytes, at: int) -> None:
    path = folder / name
    path.write_bytes(data)
    os.utime(path, (at, at))


def test_saved_files_are_listed_oldest_first(tmp_path):
    put(tmp_path, "b.png", b"first", 1)
    put(tmp_path, "a.png", b"second", 2)
    put(tmp_path, "c.png", b"second too", 2)
    assert list(fallback.read_saved_files(str(tmp_path))) == [b"first", b"second", b"second too"]


def test_saved_files_are_listed_without_empty_and_special_files(tmp_path):
    (tmp_path / "target").mkdir()
    put(tmp_path / "target", "real.png", b"elsewhere", 1)
    folder = tmp_path / "thread"
    folder.mkdir()
    put(folder, "empty.png", b"", 1)
    (folder / "sub").mkdir()
    (folder / "link.png").symlink_to(tmp_path / "target" / "real.png")
    os.mkfifo(folder / "fifo.png")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(fallback.MAX_FILE_BYTES + 1)
    put(folder, "good.png", b"good", 2)
    assert list(fallback.read_saved_files(str(folder))) == [b"good"]


def test_listing_saved_files_follows_no_link_and_needs_no_folder(tmp_path):
    (tmp_path / "real").mkdir()
    put(tmp_path / "real", "x.png", b"x", 1)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list(fallback.read_saved_files(str(tmp_path / "link"))) == []
    assert list(fallback.read_saved_files(str(tmp_path / "none"))) == []
    assert list(fallback.read_saved_files(str(tmp_path / "real" / "x.png"))) == []


def test_unrecognized_images_begin_at_an_offset(tmp_path):
    first, second = (
        json.dumps({"type": "tomorrow", "payload": {"blob": base64.b64encode(encoded(side)).decode()}}).encode() + b"\n"
        for side in (40, 50)
    )
    path = tmp_path / "rollout.jsonl"
    path.write_bytes(first + second)
    assert list(fallback.find_unrecognized_images(str(path), 0)) == [encoded(40), encoded(50)]
    assert list(fallback.find_unrecognized_images(str(path), len(first))) == [encoded(50)]
    assert list(fallback.find_unrecognized_images(str(tmp_path / "none"), 0)) == []


def test_unrecognized_images_of_recordings_are_not_references():
    for recording in recorded_runs.load_all("ref1", "ref2", "view"):
        found = set(fallback.find_unrecognized_images(str(recording.path), 0))
        assert found, recording.name
        assert not found & recording.shown(), recording.name


def test_unrecognized_images_of_failed_recordings_are_none():
    for recording in recorded_runs.load_all("refused", "silent", "img-moderation", "usage-today", "not-offered"):
        assert list(fallback.find_unrecognized_images(str(recording.path), 0)) == [], recording.name
