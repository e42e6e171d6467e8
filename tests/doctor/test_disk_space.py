"""Findings on the machine: disk space, clock, RunComfy token and dependencies."""

from __future__ import annotations

import os
import time

import pytest

from codex_imagegen.doctor import checks_home, checks_system
from codex_imagegen.doctor.context import Context
from codex_imagegen.errors import InternalError
from codex_imagegen.interrupt import Interrupt
from tests.doctor.runs import run_doctor, scripted_codex
from tests.support.history import History, generated_image, user_message
from tests.support.pictures import encoded

FOX = encoded(40, "fox")


@pytest.fixture
def past(tmp_path):
    return History(tmp_path / "codex")


@pytest.fixture
def context(past):
    return Context(None, Interrupt(), {"CODEX_HOME": str(past.home), "PATH": ""})


# Space


def test_space_counts_rollouts_and_pictures(past, context):
    sizes = [
        past.rollout(user_message(), generated_image(FOX), archived=archived).stat().st_size
        for archived in (False, False, True)
    ]
    past.saved("01a1fbd6-c978-7991-9f99-2dbaf23c1aa6", FOX, FOX)
    found = checks_home.check_disk_space(context)
    assert (found.status, found.data["rollout_bytes"], found.data["counted_all"]) == ("ok", sum(sizes), True)
    assert "3 rollouts" in found.message


def test_space_counted_in_part_says_so(past, context, monkeypatch):
    for _ in range(20):
        past.rollout(user_message())
    monkeypatch.setattr(checks_home, "COUNT_SEC", -1)
    assert "more than 0 rollouts" in checks_home.check_disk_space(context).message


def test_low_space_is_a_warning(context, monkeypatch):
    monkeypatch.setattr(checks_home, "LOW_SPACE_BYTES", 1 << 62)
    found = checks_home.check_disk_space(context)
    assert (found.status, found.hint) == ("warning", "free some disk space there")


def test_missing_home_has_the_space_and_clock_of_its_parent(tmp_path):
    """The parent folder's file system is checked, and nothing is created there."""
    nowhere = Context(None, Interrupt(), {"CODEX_HOME": str(tmp_path / "nowhere" / "codex"), "PATH": ""})
    assert (checks_home.check_disk_space(nowhere).status, checks_system.check_clock(nowhere).status) == ("ok", "ok")
    assert not (tmp_path / "nowhere").exists()


def test_space_without_statvfs_is_unknown(context, monkeypatch):
    def refuse(_path):
        raise OSError("not implemented")

    monkeypatch.setattr(os, "statvfs", refuse)
    assert checks_home.check_disk_space(context).status == "unknown"


# Clock


def at(year):
    return time.mktime((year, 6, 1, 12, 0, 0, 0, 0, -1))


@pytest.mark.parametrize("year", [1970, 2025, 2051])
def test_impossible_year_is_a_warning(context, monkeypatch, year):
    monkeypatch.setattr(time, "time", lambda: at(year))
    found = checks_system.check_clock(context)
    assert (found.status, found.data["year"]) == ("warning", year)


@pytest.mark.parametrize(("skew", "word"), [(3600, "behind"), (-3600, "ahead")])
def test_skewed_file_system_clock_is_a_warning(context, monkeypatch, skew, word):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + skew)
    found = checks_system.check_clock(context)
    assert (found.status, word in found.message) == ("warning", True)


def test_agreeing_clocks_are_ok(context):
    assert checks_system.check_clock(context).status == "ok"


# The token


@pytest.mark.parametrize(("mode", "status"), [(0o600, "ok"), (0o644, "warning"), (0o000, "ok")])
def test_token_file_mode_decides(lab, mode, status):
    world = lab(offline=True)
    path = world.home / ".config" / "runcomfy" / "token.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"access_token": "rc-secret-token"}')
    path.chmod(mode)
    found = run_doctor(world, powerless=True, codex=scripted_codex(world))
    check = found.checks["runcomfy"]
    assert (found.code, check["status"]) == (0, status)
    assert check["data"] == {"source": "file", "path": "~/.config/runcomfy/token.json", "mode": f"{mode:04o}"}
    assert "secret" not in found.done.text
    if status == "warning":
        assert check["hint"] == "make it private with:\nchmod 600 ~/.config/runcomfy/token.json"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_token_file_open_to_group_or_others_is_a_warning(context, monkeypatch, tmp_path, mode):
    path = tmp_path / "token.json"
    path.write_text('{"access_token": "rc-secret-token"}')
    path.chmod(mode)
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(tmp_path))
    found = checks_system.check_runcomfy(context)
    assert (found.status, found.data["mode"]) == ("warning", f"{mode:04o}")


def test_token_in_environment_is_ok(context, monkeypatch):
    context.environment = {"RUNCOMFY_TOKEN": "rc-secret"}
    found = checks_system.check_runcomfy(context)
    assert (found.status, found.data["source"]) == ("ok", "environment")
    assert "secret" not in repr(found)


def test_folder_in_place_of_token_is_a_warning(context, monkeypatch, tmp_path):
    (tmp_path / "token.json").mkdir()
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(tmp_path))
    assert checks_system.check_runcomfy(context).status == "warning"


def test_missing_token_is_ok(context):
    found = checks_system.check_runcomfy(context)
    assert (found.status, found.data["source"], found.data["mode"]) == ("ok", None, None)


# Dependencies


def test_dependencies_have_versions(context):
    assert checks_system.check_dependencies(context).status == "ok"
    assert None not in checks_system.versions().values()
    assert {"codex-imagegen", "python", "system", *checks_system.DEPENDENCIES} == set(checks_system.versions())


def test_missing_dependency_is_an_internal_error(context, monkeypatch):
    monkeypatch.setattr(checks_system, "DEPENDENCIES", ("click", "no-such-package"))
    found = checks_system.check_dependencies(context)
    assert isinstance(found.error, InternalError)
    assert "no-such-package is not installed" in found.message
