"""Test a folder: it takes files or the error says why not, and nothing is left or changed."""

from __future__ import annotations

import errno
import os
import time

import pytest

from codex_imagegen.files import atomic
from codex_imagegen.platform import descriptors

CREATE = pytest.mark.parametrize("create", [atomic.create_unnamed_file, atomic.create_named_file])


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    return tmp_path / "folder"


def state(folder):
    return {name: os.stat(folder / name) for name in os.listdir(folder)}


@CREATE
def test_new_file_returns_the_time_and_leaves_nothing(folder, create):
    before = state(folder)
    assert abs(create(str(folder)) - time.time()) < 3600
    assert state(folder) == before


@CREATE
@pytest.mark.parametrize("place", ["nowhere", "mine"])
def test_new_file_in_no_folder_raises(folder, create, place):
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        create(str(folder / place))


@pytest.mark.parametrize("number", sorted(descriptors.NO_UNNAMED_FILES))
def test_file_system_without_unnamed_files_uses_a_named_one(folder, monkeypatch, number):
    real, refused = os.open, []

    def refuse(path, flags, *rest, **options):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            refused.append(path)
            raise OSError(number, "no such files here")
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    assert atomic.create_unnamed_file(str(folder)) > 0
    assert refused == [str(folder)]
    assert os.listdir(folder) == ["mine"]


def test_new_file_on_full_file_system_raises(folder, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(OSError, match="quota"):
        atomic.create_unnamed_file(str(folder))


def test_system_without_o_tmpfile_uses_a_named_file(folder, monkeypatch):
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    assert atomic.create_unnamed_file(str(folder)) > 0
    assert os.listdir(folder) == ["mine"]


def test_times_of_folder_are_unchanged(folder):
    os.utime(folder, ns=(1_234_567_890_123_456_789, 987_654_321_987_654_321))
    atomic.touch_folder(str(folder))
    status = os.stat(folder)
    assert (status.st_atime_ns, status.st_mtime_ns) == (1_234_567_890_123_456_789, 987_654_321_987_654_321)


def test_times_of_foreign_folder_are_left_alone(folder, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    atomic.touch_folder(str(folder))
