"""is_locked: True, False, or None where nobody can know."""

from __future__ import annotations

import errno
import os

import pytest

from codex_imagegen.files.opening import is_locked
from codex_imagegen.platform import descriptors


@pytest.fixture(params=["file", "folder"])
def place(request, tmp_path):
    path = tmp_path / request.param
    if request.param == "folder":
        path.mkdir()
    else:
        path.write_text("mine")
    return path


def ask(place, **options):
    return is_locked(str(place), folder=place.is_dir(), **options)


def test_unlocked_is_false_and_is_not_locked_afterwards(place):
    assert [ask(place), ask(place)] == [False, False]


def test_locked_is_true_until_it_is_closed(place):
    descriptor = descriptors.open_file(str(place))
    descriptors.lock(descriptor)
    assert (ask(place), ask(place, shared=True)) == (True, True)
    os.close(descriptor)
    assert ask(place) is False


def test_shared_lock_counts_unless_shared_is_asked_for(place):
    descriptor = descriptors.open_file(str(place))
    descriptors.lock(descriptor, shared=True)
    assert (ask(place), ask(place, shared=True)) == (True, False)
    os.close(descriptor)


def test_nothing_and_a_link_are_not_locked(tmp_path, place):
    (tmp_path / "link").symlink_to(place)
    for name in ("nothing", "link", "link/below", "a\0b"):
        assert is_locked(str(tmp_path / name), folder=place.is_dir()) is False


def test_file_system_without_locks_is_unknown(place, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EBADF, "no locks here")

    monkeypatch.setattr(descriptors, "lock", refuse)
    assert ask(place) is None


def test_no_descriptor_left_is_unknown(place, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(os, "open", refuse)
    assert ask(place) is None
