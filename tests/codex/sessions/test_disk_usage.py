"""Disk usage of a Codex home: by names and sizes, bounded in time, without opening a file."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.codex.sessions.disk_usage import DiskUsage, measure
from tests.support.history import History, generated_image, user_message
from tests.support.pictures import encoded

FOX = encoded(40, "fox")


@pytest.fixture
def codex_home(tmp_path):
    return History(tmp_path / "codex")


def test_usage_counts_rollouts_and_pictures(codex_home):
    sizes = [
        codex_home.rollout(user_message(), generated_image(FOX), archived=archived).stat().st_size
        for archived in (False, False, True)
    ]
    codex_home.saved("01a1fbd6-c978-7991-9f99-2dbaf23c1aa6", FOX, FOX)
    (codex_home.home / "state_5.sqlite").write_bytes(b"x" * 5000)
    (codex_home.home / "sessions" / "loop").symlink_to(codex_home.home)
    os.mkfifo(codex_home.home / "sessions" / "fifo")
    assert measure(str(codex_home.home), 60) == DiskUsage(3, sum(sizes), 2, 2 * len(FOX), is_complete=True)


def test_usage_opens_no_file(codex_home, monkeypatch):
    codex_home.rollout(user_message())
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "open", None)
    assert measure(str(codex_home.home), 60).rollouts == 1


def test_usage_leaves_out_unreadable_folders(codex_home):
    assert measure(str(codex_home.home / "nowhere"), 60) == DiskUsage(0, 0, 0, 0, is_complete=True)


def test_usage_leaves_out_a_file_that_vanishes(codex_home, monkeypatch):
    paths = [codex_home.rollout(user_message()) for _ in range(3)]
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
    assert measure(str(codex_home.home), 60).rollouts == 2


class _Entries(list):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_usage_ends_at_its_time_limit(codex_home):
    codex_home.rollout(user_message())
    assert measure(str(codex_home.home), -1) == DiskUsage(0, 0, 0, 0, is_complete=False)
