"""Disk usage of a Codex home: by names and sizes, bounded in time, without opening a file."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.codex.sessions.disk_usage import Usage, count
from tests.support.history import History, generated_image, user_message
from tests.support.pictures import encoded

FOX = encoded(40, "fox")


@pytest.fixture
def past(tmp_path):
    return History(tmp_path / "codex")


def test_usage_counts_rollouts_and_pictures(past):
    sizes = [
        past.rollout(user_message(), generated_image(FOX), archived=archived).stat().st_size
        for archived in (False, False, True)
    ]
    past.saved("01a1fbd6-c978-7991-9f99-2dbaf23c1aa6", FOX, FOX)
    (past.home / "state_5.sqlite").write_bytes(b"x" * 5000)
    (past.home / "sessions" / "loop").symlink_to(past.home)
    os.mkfifo(past.home / "sessions" / "fifo")
    assert count(str(past.home), 60) == Usage(3, sum(sizes), 2, 2 * len(FOX), is_complete=True)


def test_usage_opens_no_file(past, monkeypatch):
    past.rollout(user_message())
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "open", None)
    assert count(str(past.home), 60).rollouts == 1


def test_usage_leaves_out_unreadable_folders(past):
    assert count(str(past.home / "nowhere"), 60) == Usage(0, 0, 0, 0, is_complete=True)


def test_usage_leaves_out_a_file_that_vanishes(past, monkeypatch):
    paths = [past.rollout(user_message()) for _ in range(3)]
    real = os.scandir

    def scandir(folder):
        entries = real(folder)
        if str(folder) == str(paths[0].parent):
            listed = list(entries)
            entries.close()
            listed.sort(key=lambda entry: entry.name)
            os.unlink(listed[0].path)
            return _Entries(listed)
        return entries

    monkeypatch.setattr(os, "scandir", scandir)
    assert count(str(past.home), 60).rollouts == 2


class _Entries(list):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_usage_ends_at_its_time_limit(past):
    past.rollout(user_message())
    assert count(str(past.home), -1) == Usage(0, 0, 0, 0, is_complete=False)
