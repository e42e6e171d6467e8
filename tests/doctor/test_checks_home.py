"""Findings on the Codex home: unreadable, unwritable, missing, on a network drive, without file events."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.codex.run import wake
from codex_imagegen.codex.sessions import layout
from codex_imagegen.doctor import checks_home
from codex_imagegen.doctor.context import Context
from codex_imagegen.files import atomic
from codex_imagegen.interrupt import Interrupt
from tests.doctor.runs import run_doctor, run_only, scripted_codex, tree


@pytest.fixture
def context(tmp_path):
    codex_home = tmp_path / "codex home"
    (codex_home / "sessions").mkdir(parents=True)
    return Context(None, Interrupt(), {"CODEX_HOME": str(codex_home), "PATH": ""})


@pytest.mark.parametrize(("mode", "doing"), [(0o000, "read"), (0o500, "written")])
def test_home_with_wrong_mode_fails(lab, mode, doing):
    world = lab(offline=True)
    world.home.chmod(mode)
    try:
        found = run_doctor(world, powerless=True, codex=scripted_codex(world))
    finally:
        world.home.chmod(0o700)
    assert f"can't be {doing}: Permission denied" in found.checks["home"]["message"]
    assert found.status("home") == "failed"
    assert found.code == 5


def test_unwritable_sessions_folder_fails_as_codex_failed(lab):
    world = lab(offline=True)
    today = world.home / os.path.relpath(layout.list_day_folders(str(world.home))[0], world.home)
    today.mkdir(parents=True)
    today.chmod(0o500)
    try:
        found = run_doctor(world, powerless=True, codex=scripted_codex(world))
    finally:
        today.chmod(0o700)
    check = found.assert_failed(5, "codex-failed", "home")
    assert "can't be written" in check["message"]
    assert "sandbox" in check["hint"]


def test_home_that_is_a_file_fails(lab, tmp_path):
    (tmp_path / "file").write_text("")
    found = run_only(lab(offline=True), "home", env={"CODEX_HOME": str(tmp_path / "file")})
    assert "can't be read: Not a directory" in found.checks["home"]["message"]


def test_missing_home_fails_and_is_not_created(lab, tmp_path):
    found = run_only(lab(offline=True), "home", "file-events", env={"CODEX_HOME": str(tmp_path / "nowhere")})
    assert found.checks["home"]["message"] == "CODEX_HOME names a folder that does not exist"
    assert found.status("file-events") == "unknown"
    assert not (tmp_path / "nowhere").exists()


def test_missing_default_home_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = checks_home.check_home(Context(None, Interrupt(), {"PATH": ""}))
    assert (found.status, found.hint) == ("warning", "create it with:\ncodex login")


@pytest.mark.parametrize(("kind", "status"), [("nfs4", "warning"), ("9p", "warning"), ("ext4", "ok"), (None, "ok")])
def test_network_file_system_is_a_warning(context, monkeypatch, kind, status):
    monkeypatch.setattr(checks_home.disk, "file_system", lambda _path: kind)
    found = checks_home.check_home(context)
    assert (found.status, found.data["file_system"]) == (status, kind)
    assert kind is None or kind in found.message


def test_file_events_work_and_leave_no_file(context):
    assert checks_home.check_file_events(context).data == {"notified": True}
    assert checks_home.check_home(context).status == "ok"
    assert os.listdir(os.path.join(context.codex_home, "sessions")) == []


def test_file_events_work_where_only_new_files_are_reported(context, monkeypatch):
    monkeypatch.setattr(atomic, "touch_folder", lambda _folder: None)
    assert checks_home.check_file_events(context).data == {"notified": True}
    assert os.listdir(os.path.join(context.codex_home, "sessions")) == []


def test_linked_sessions_folder_is_watched(context, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    link = os.path.join(context.codex_home, "sessions")
    os.rmdir(link)
    os.symlink(tmp_path / "elsewhere", link)
    assert checks_home.check_file_events(context).data == {"notified": True}
    assert tree(tmp_path / "elsewhere") == set()


def test_missing_file_events_are_a_warning(context, monkeypatch):
    def refuse(*_):
        raise OSError("inotify instance limit reached")

    monkeypatch.setattr(wake, "_start", refuse)
    found = checks_home.check_file_events(context)
    assert (found.status, found.data) == ("warning", {"notified": False})
    assert "0.03 s" in found.message
