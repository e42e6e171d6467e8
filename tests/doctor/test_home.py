"""The Codex home: unreadable, unwritable, missing, on a network; and wake-ups that come, or don't."""

from __future__ import annotations

import os
import sys

import pytest

from codex_imagegen.codex import sessions, watch
from codex_imagegen.doctor import home, mounts, touch
from codex_imagegen.doctor.context import Context
from codex_imagegen.interrupt import Interrupt
from tests.doctor.surgery import examine, tree
from tests.support.account import Account


@pytest.fixture
def context(tmp_path):
    codex_home = tmp_path / "codex home"
    (codex_home / "sessions").mkdir(parents=True)
    return Context(None, Interrupt(), {"CODEX_HOME": str(codex_home), "PATH": ""})


@pytest.mark.real
@pytest.mark.parametrize(("mode", "doing"), [(0o000, "read"), (0o500, "written")])
def test_a_home_with_a_wrong_mode(lab, mode, doing):
    world = lab(script=Account())
    world.home.chmod(mode)
    try:
        found = examine(world, powerless=True)
    finally:
        world.home.chmod(0o700)
    assert f"can't be {doing}: Permission denied" in found.checks["home"]["message"]
    assert found.status("home") == "failed"
    assert found.code == 5


@pytest.mark.real
def test_sessions_that_another_user_made(lab):
    world = lab(script=Account())
    today = world.home / os.path.relpath(sessions.folders(str(world.home))[0], world.home)
    today.mkdir(parents=True)
    today.chmod(0o500)
    try:
        found = examine(world, powerless=True)
    finally:
        today.chmod(0o700)
    check = found.assert_failed(5, "codex-failed", "home")
    assert "can't be written" in check["message"]
    assert "sandbox" in check["hint"]


@pytest.mark.real
def test_a_home_that_is_a_file(lab, tmp_path):
    (tmp_path / "file").write_text("")
    found = examine(lab(), env={"CODEX_HOME": str(tmp_path / "file")})
    assert "can't be read: Not a directory" in found.checks["home"]["message"]


@pytest.mark.real
def test_a_home_that_is_not_there(lab, tmp_path):
    found = examine(lab(), env={"CODEX_HOME": str(tmp_path / "nowhere")})
    assert found.checks["home"]["message"] == "CODEX_HOME names a folder that is not there"
    assert found.status("wake-ups") == "unknown"
    assert not (tmp_path / "nowhere").exists()


def test_nobody_has_logged_in_yet(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = home.check_home(Context(None, Interrupt(), {"PATH": ""}))
    assert (found.status, found.hint) == ("warning", "codex login makes it")


@pytest.mark.parametrize(("kind", "status"), [("nfs4", "warning"), ("9p", "warning"), ("ext4", "ok"), (None, "ok")])
def test_the_kind_of_file_system_is_told(context, monkeypatch, kind, status):
    monkeypatch.setattr(mounts, "kind", lambda _path: kind)
    found = home.check_home(context)
    assert (found.status, found.data["file_system"]) == (status, kind)
    assert kind is None or kind in found.message


def test_a_wake_up_comes_and_nothing_is_left(context):
    assert home.check_wake_ups(context).data == {"woken": True}
    assert home.check_home(context).status == "ok"
    assert os.listdir(os.path.join(context.codex_home, "sessions")) == []


def test_where_times_tell_nobody_a_new_file_does(context, monkeypatch):
    monkeypatch.setattr(touch, "times", lambda _folder: None)
    assert home.check_wake_ups(context).data == {"woken": True}
    assert os.listdir(os.path.join(context.codex_home, "sessions")) == []


def test_a_linked_sessions_folder_is_watched_where_it_is(context, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = os.path.join(context.codex_home, "sessions")
    os.rmdir(link)
    os.symlink(tmp_path / "elsewhere", link)
    assert home.check_wake_ups(context).data == {"woken": True}
    assert tree(tmp_path / "elsewhere") == set()


def test_a_system_that_wakes_nobody(context, monkeypatch):
    def refuse(*_):
        raise OSError("inotify instance limit reached")

    monkeypatch.setattr(watch, "_start", refuse)
    found = home.check_wake_ups(context)
    assert (found.status, found.data) == ("warning", {"woken": False})
    assert "0.03 s" in found.message


# What lies where

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
def test_mounts_of_linux(path, kind):
    assert mounts.longest(path, mounts.of_linux(MOUNTINFO)) == kind


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/x", "apfs"), ("/Volumes/share/a", "smbfs"), ("/System/Volumes/Data/home/me", "autofs")],
)  # fmt: skip
def test_mounts_of_macos(path, kind):
    assert mounts.longest(path, mounts.of_macos(MACOS)) == kind


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks stat of coreutils for the truth")
def test_this_very_system(tmp_path):
    assert mounts.kind("/proc/self") == "proc"
    assert mounts.kind(str(tmp_path)) is not None
