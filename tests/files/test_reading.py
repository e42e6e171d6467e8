"""open_regular opens regular files only, never hangs, and leaves no descriptor open."""

from __future__ import annotations

import os
import socket

import pytest

from codex_imagegen.files.opening import NotRegularFile, open_regular


def open_descriptors():
    return set(os.listdir("/dev/fd"))


def test_regular_file_is_read(tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    with open_regular(str(tmp_path / "a")) as file:
        assert file.read() == b"mine"


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
@pytest.mark.parametrize("follow", [True, False])
def test_other_kinds_are_refused_at_once(tmp_path, kind, follow):
    path = str(tmp_path / kind)
    if kind == "folder":
        os.mkdir(path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = os.devnull
    before = open_descriptors()
    with pytest.raises(NotRegularFile):
        open_regular(path, follow=follow)
    assert open_descriptors() == before


def test_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(OSError, match="No such device"):
            open_regular("s")


def test_link_is_followed_unless_told_otherwise(tmp_path):
    (tmp_path / "a").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("a")
    with open_regular(str(tmp_path / "link")) as file:
        assert file.read() == b"mine"
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(str(tmp_path / "link"), follow=False)


def test_name_is_looked_up_in_the_open_folder(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"mine")
    monkeypatch.chdir("/")
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with open_regular("a", at=folder) as file:
            assert file.read() == b"mine"
    finally:
        os.close(folder)
