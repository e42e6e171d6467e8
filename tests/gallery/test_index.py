"""The index: unchanged sessions are not read again, and a damaged index loses no picture."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import time

import pytest

from codex_imagegen.gallery import collect, index
from codex_imagegen.gallery.build import GalleryOptions, build
from codex_imagegen.interrupt import Interrupt
from tests.gallery.page import FOX, OWL, REFERENCE, entries, entries_of, picture_files
from tests.support import history
from tests.support.lab import COMMAND
from tests.support.pictures import encoded

NOW = time.time()


@pytest.fixture
def build_page(world, monkeypatch):
    """Make the page in this process and return how many sessions were read."""
    monkeypatch.chdir(world.work)
    monkeypatch.setenv("TZ", "UTC")
    read = []
    reader = collect.SessionReader

    def counted(home, found, tick):
        read.append(found)
        return reader(home, found, tick)

    monkeypatch.setattr(collect, "SessionReader", counted)

    def make(**options):
        read.clear()
        done = build(GalleryOptions(**options), Interrupt(), lambda _: None, world.environment)
        assert done.pictures == len(entries(world, os.path.basename(done.path)))
        return len(read)

    return make


def path_of(world):
    return index.index_path(os.path.realpath(world.home), world.environment)


def test_unchanged_sessions_are_not_read_again(world, build_page):
    first = world.history.rollout(history.user_image(REFERENCE), history.generated_image(FOX), at=NOW - 100)
    world.history.rollout(history.user_message(), at=NOW - 50)
    assert build_page() == 2
    assert build_page() == 0
    with first.open("ab") as file:
        file.write(history.rollout_line(history.generated_image(OWL, call_id="2")) + b"\n")
    assert build_page() == 1
    assert len(entries(world)) == 2
    world.history.saved(history.thread_of(first), encoded(20, "saved"))
    assert build_page() == 1
    assert len(entries(world)) == 3


def test_missing_or_empty_picture_files_are_made_again(world, build_page):
    world.history.rollout(history.user_image(REFERENCE), history.generated_image(FOX))
    assert build_page() == 1
    for name in list(picture_files(world)):
        path = world.work / "codex-gallery-pictures" / name
        before = path.read_bytes()
        path.unlink()
        assert build_page() == 1
        path.write_bytes(b"")
        assert build_page() == 1
        assert path.read_bytes() == before
    assert build_page(out="another.html") == 1
    assert build_page(originals=True) == 1


def test_removed_sessions_leave_the_page(world, build_page):
    fox = world.history.rollout(history.generated_image(FOX), at=NOW - 100)
    world.history.rollout(history.generated_image(OWL), at=NOW)
    assert build_page() == 2
    fox.unlink()
    (world.work / "codex-gallery-pictures" / "mine.txt").write_text("mine")
    assert build_page() == 0
    assert [entry["width"] for entry in entries(world)] == [44]
    assert len(picture_files(world)) == 3
    assert "mine.txt" in picture_files(world)
    with contextlib.closing(sqlite3.connect(path_of(world))) as base:
        (count,) = base.execute("SELECT count(*) FROM pictures").fetchone()
    assert count == 1


def test_copies_of_originals_are_never_removed(world, build_page):
    fox = world.history.rollout(history.generated_image(FOX))
    assert build_page(originals=True) == 1
    fox.unlink()
    assert build_page(originals=True) == 0
    assert [name.split(".")[1] for name in picture_files(world)] == ["png"]


def test_page_with_since_keeps_files_of_older_pictures(world, build_page):
    world.history.rollout(history.generated_image(FOX), at=NOW - 9 * 86_400)
    world.history.rollout(history.generated_image(OWL), at=NOW - 100)
    assert build_page() == 2
    assert build_page(since=NOW - 86_400) == 0
    assert len(entries(world)) == 1
    assert build_page() == 0
    assert len(entries(world)) == 2


def test_picture_repeated_by_forked_session_is_shown_once(world, build_page):
    first = world.history.rollout(history.user_message("first"), history.generated_image(FOX), at=NOW - 100)
    world.history.rollout(
        history.user_message("again"), history.generated_image(FOX), history.generated_image(OWL, call_id="2"), at=NOW
    )
    assert build_page() == 2
    assert [(entry["width"], entry["prompt"]) for entry in entries(world)] == [(44, "again"), (40, "first")]
    assert entries(world)[1]["thread"] == history.thread_of(first)


def test_index_is_readable_by_its_owner_only(world, build_page):
    world.history.rollout(history.generated_image(FOX))
    build_page()
    assert stat.S_IMODE(os.stat(path_of(world)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path_of(world))).st_mode) == 0o700


def test_each_home_has_its_own_index(world):
    assert index.index_path("/a", world.environment) != index.index_path("/b", world.environment)
    assert index.index_path("/a", {"XDG_CACHE_HOME": "relative"}).startswith(os.path.expanduser("~/.cache/"))


@pytest.mark.parametrize("damage", ["rubbish", "truncated", "table", "entry", "version"])
def test_damaged_index_is_created_again(world, build_page, damage):
    world.history.rollout(history.generated_image(FOX))
    assert build_page() == 1
    path = path_of(world)
    if damage == "rubbish":
        with open(path, "wb") as file:
            file.write(b"no database" * 1000)
    elif damage == "truncated":
        os.truncate(path, 5000)
    else:
        statement = {
            "table": "ALTER TABLE pictures RENAME TO other", "entry": "UPDATE pictures SET entry = '[]'",
            "version": "PRAGMA user_version = 99",
        }[damage]  # fmt: skip
        base = sqlite3.connect(path, isolation_level=None)
        base.execute(statement)
        base.close()
    assert build_page() == 1
    assert build_page() <= 1
    assert build_page() == 0


def test_index_without_cache_folder_is_in_memory(world, build_page):
    world.history.rollout(history.generated_image(FOX))
    (world.folder / "cache").write_bytes(b"a file instead of the folder")
    assert build_page() == 1
    assert build_page() == 1


def test_locked_index_is_left_alone(world, build_page, monkeypatch):
    rollout = world.history.rollout(history.generated_image(FOX))
    assert build_page() == 1
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, **{**options, "timeout": 0.05}))
    other = connect(path_of(world), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    os.utime(rollout)
    assert build_page() == 2  # the second time with an index in memory
    other.execute("COMMIT")
    other.close()
    assert os.path.exists(path_of(world))
    assert build_page() == 1


def test_index_that_is_a_link_is_not_followed(world, build_page, tmp_path):
    world.history.rollout(history.generated_image(FOX))
    path = path_of(world)
    os.makedirs(os.path.dirname(path))
    os.symlink(tmp_path / "elsewhere", path)
    assert build_page() == 1
    assert not (tmp_path / "elsewhere").exists()


def test_unreadable_rollout_is_warned_of_and_retried(world, build_page, monkeypatch):
    thread = history.thread_of(world.history.rollout(history.generated_image(OWL)))
    world.history.saved(thread, FOX)

    def denied(path, **_):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as context:
        context.setattr("codex_imagegen.codex.sessions.reader.Tail", denied)
        done = build(GalleryOptions(), Interrupt(), lambda _: None, world.environment)
        assert [warning.code for warning in done.warnings] == ["rollout-unreadable"]
        assert "Permission denied" in done.warnings[0].message
        assert done.pictures == 1
    assert build_page() == 1
    assert len(entries(world)) == 2


def test_concurrent_galleries_share_one_index(world):
    for number in range(6):
        world.history.rollout(history.generated_image(encoded(30, number)), at=NOW - number)
    runs = [
        subprocess.Popen(
            [COMMAND, "gallery", "--out", f"{name}.html", "--json"], cwd=world.work, env=world.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for name in ("one", "two")
    ]  # fmt: skip
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert (run.returncode, err) == (0, b""), out
    assert len(entries_of((world.work / "one.html").read_text())) == 6
    assert (world.work / "one.html").read_text().count("-preview.webp") == 12
