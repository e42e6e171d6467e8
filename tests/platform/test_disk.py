"""Flushing to disk, and the kind of file system. F_FULLFSYNC was not run on a Mac, only with a fcntl that has it."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path

import pytest

from codex_imagegen.files import atomic
from codex_imagegen.platform import disk

FULL = 51
"""F_FULLFSYNC in macOS's <sys/fcntl.h>."""


@pytest.fixture
def calls(monkeypatch):
    """The calls of the system, by name; ``calls.refusal`` is the error number of F_FULLFSYNC."""

    class Calls(list):
        refusal = None

    found = Calls()

    def control(_descriptor, command):
        found.append({FULL: "full"}[command])
        if found.refusal:
            raise OSError(found.refusal, os.strerror(found.refusal))

    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: found.append("fsync"))
    return found


def written(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"a picture")
        atomic.flush(file)
        assert path.read_bytes() == b"a picture"


def test_sync_without_full_fsync_calls_fsync(calls, tmp_path, monkeypatch):
    monkeypatch.delattr(fcntl, "F_FULLFSYNC", raising=False)
    written(tmp_path / "a")
    assert calls == ["fsync"]


def test_sync_with_full_fsync_calls_it(calls, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    written(tmp_path / "a")
    assert calls == ["full"]


@pytest.mark.parametrize("refusal", [errno.ENOTSUP, errno.EINVAL, errno.ENOTTY, errno.EIO])
def test_sync_with_refused_full_fsync_calls_fsync(calls, tmp_path, monkeypatch, refusal):
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    calls.refusal = refusal
    written(tmp_path / "a")
    assert calls == ["full", "fsync"]


def test_sync_raises_what_fsync_raises(calls, tmp_path, monkeypatch):
    def broken(_descriptor):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", broken)
    with (tmp_path / "a").open("wb") as file, pytest.raises(OSError, match="I/O error"):
        atomic.flush(file)


MOUNTINFO = r"""22 1 0:21 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/a
23 22 0:22 / /proc rw - proc proc rw
30 22 0:30 / /home rw - nfs4 server:/home rw
31 30 8:1 / /home/me/My\040Files rw - ext4 /dev/sda1 rw
32 31 8:2 / /home/me/My\040Files rw master:3 - xfs /dev/sdb1 rw
33 22 0:40 / /odd rw - a\033[2Jb none rw
torn line"""
MACOS = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse)
//me@server/share on /Volumes/share (smbfs, nodev, nosuid, mounted by me)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/x", "overlay"), ("/home/me", "nfs4"), ("/homes", "overlay"), ("/home/me/My Files/a", "xfs"),
        ("/odd/x", "overlay"),
    ],
)  # fmt: skip
def test_mountinfo_of_linux_names_the_file_system(path, kind):
    assert disk.kind_at(path, disk.linux_mounts(MOUNTINFO)) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/x", "apfs"), ("/Volumes/share/a", "smbfs"), ("/System/Volumes/Data/home/me", "autofs")],
)  # fmt: skip
def test_mount_of_macos_names_the_file_system(path, kind):
    assert disk.kind_at(path, disk.macos_mounts(MACOS)) == kind


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks stat of coreutils for the truth")
def test_file_system_of_this_machine_is_known(tmp_path):
    assert disk.file_system("/proc/self") == "proc"
    assert disk.file_system(str(tmp_path)) is not None
