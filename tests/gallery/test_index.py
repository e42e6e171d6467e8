"""What is remembered of a home: nothing is read twice, and a broken memory costs time and no picture."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import time

import pytest

from codex_imagegen.gallery import collect, index
from codex_imagegen.gallery.story import Wanted, build
from codex_imagegen.interrupt import Interrupt
from tests.gallery.worlds import FOX, OWL, REFERENCE, entries_of
from tests.support import history
from tests.support.lab import COMMAND
from tests.support.pictures import encoded

NOW = time.time()


@pytest.fixture
def made(world, monkeypatch):
    """Makes the page in this process, and gives back how many sessions were read for it."""
    monkeypatch.chdir(world.work)
    monkeypatch.setenv("TZ", "UTC")
    read = []
    keepsake = collect.Keepsake

    def counted(home, found, tick):
        read.append(found)
        return keepsake(home, found, tick)

    monkeypatch.setattr(collect, "Keepsake", counted)

    def make(**wanted):
        read.clear()
        made = build(Wanted(**wanted), Interrupt(), lambda _: None, world.environment)
        assert made.pictures == len(world.entries(os.path.basename(made.path)))
        return len(read)

    return make


def path_of(world):
    return index.path_of(os.path.realpath(world.home), world.environment)


def test_what_has_not_changed_is_not_read_again(world, made):
    first = world.past.rollout(history.user_image(REFERENCE), history.generated_image(FOX), at=NOW - 100)
    world.past.rollout(history.user_message(), at=NOW - 50)
    assert made() == 2
    assert made() == 0
    with first.open("ab") as file:
        file.write(history.rollout_line(history.generated_image(OWL, call_id="2")) + b"\n")
    assert made() == 1
    assert len(world.entries()) == 2
    world.past.saved(history.thread_of(first), encoded(20, "saved"))
    assert made() == 1
    assert len(world.entries()) == 3


def test_a_missing_or_empty_file_is_made_again(world, made):
    world.past.rollout(history.user_image(REFERENCE), history.generated_image(FOX))
    assert made() == 1
    for name in list(world.files):
        path = world.work / "codex-gallery-pictures" / name
        before = path.read_bytes()
        path.unlink()
        assert made() == 1
        path.write_bytes(b"")
        assert made() == 1
        assert path.read_bytes() == before
    assert made(out="another.html") == 1
    assert made(originals=True) == 1


def test_what_is_gone_from_the_home_is_gone_from_the_page(world, made):
    fox = world.past.rollout(history.generated_image(FOX), at=NOW - 100)
    world.past.rollout(history.generated_image(OWL), at=NOW)
    assert made() == 2
    fox.unlink()
    (world.work / "codex-gallery-pictures" / "mine.txt").write_text("mine")
    assert made() == 0
    assert [entry["width"] for entry in world.entries()] == [44]
    assert len(world.files) == 3
    assert "mine.txt" in world.files
    (count,) = sqlite3.connect(path_of(world)).execute("SELECT count(*) FROM pictures").fetchone()
    assert count == 1


def test_copies_of_originals_are_never_removed(world, made):
    fox = world.past.rollout(history.generated_image(FOX))
    assert made(originals=True) == 1
    fox.unlink()
    assert made(originals=True) == 0
    assert [name.split(".")[1] for name in world.files] == ["png"]


def test_a_page_of_some_days_keeps_the_files_of_the_others(world, made):
    world.past.rollout(history.generated_image(FOX), at=NOW - 9 * 86_400)
    world.past.rollout(history.generated_image(OWL), at=NOW - 100)
    assert made() == 2
    assert made(since=NOW - 86_400) == 0
    assert len(world.entries()) == 1
    assert made() == 0
    assert len(world.entries()) == 2


def test_a_picture_that_a_forked_session_repeats_is_shown_once(world, made):
    first = world.past.rollout(history.user_message("first"), history.generated_image(FOX), at=NOW - 100)
    world.past.rollout(
        history.user_message("again"), history.generated_image(FOX), history.generated_image(OWL, call_id="2"), at=NOW
    )
    assert made() == 2
    assert [(entry["width"], entry["prompt"]) for entry in world.entries()] == [(44, "again"), (40, "first")]
    assert world.entries()[1]["thread"] == history.thread_of(first)


def test_the_index_is_its_owners_alone(world, made):
    world.past.rollout(history.generated_image(FOX))
    made()
    assert stat.S_IMODE(os.stat(path_of(world)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path_of(world))).st_mode) == 0o700


def test_each_home_has_an_index_of_its_own(world):
    assert index.path_of("/a", world.environment) != index.path_of("/b", world.environment)
    assert index.path_of("/a", {"XDG_CACHE_HOME": "relative"}).startswith(os.path.expanduser("~/.cache/"))


@pytest.mark.parametrize("damage", ["rubbish", "truncated", "table", "entry", "version"])
def test_a_damaged_index_is_made_anew(world, made, damage):
    world.past.rollout(history.generated_image(FOX))
    assert made() == 1
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
    assert made() == 1
    assert made() <= 1
    assert made() == 0


def test_an_index_that_can_not_be_kept_is_in_memory(world, made):
    world.past.rollout(history.generated_image(FOX))
    world.cache.write_bytes(b"a file where the folder should be")
    assert made() == 1
    assert made() == 1


def test_an_index_that_somebody_writes_to_is_left_alone(world, made, monkeypatch):
    rollout = world.past.rollout(history.generated_image(FOX))
    assert made() == 1
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(path, **{**options, "timeout": 0.05}))
    other = connect(path_of(world), isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    os.utime(rollout)
    assert made() == 2  # and once more with an index in memory
    other.execute("COMMIT")
    other.close()
    assert os.path.exists(path_of(world))
    assert made() == 1


def test_a_link_in_the_indexs_place_is_not_followed(world, made, tmp_path):
    world.past.rollout(history.generated_image(FOX))
    path = path_of(world)
    os.makedirs(os.path.dirname(path))
    os.symlink(tmp_path / "elsewhere", path)
    assert made() == 1
    assert not (tmp_path / "elsewhere").exists()


def test_a_rollout_that_can_not_be_read_is_told_and_tried_again(world, made, monkeypatch):
    thread = history.thread_of(world.past.rollout(history.generated_image(OWL)))
    world.past.saved(thread, FOX)

    def denied(path, **_):
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as context:
        context.setattr("codex_imagegen.codex.keepsake.Tail", denied)
        done = build(Wanted(), Interrupt(), lambda _: None, world.environment)
        assert [warning.code for warning in done.warnings] == ["rollout-unreadable"]
        assert "Permission denied" in done.warnings[0].message
        assert done.pictures == 1
    assert made() == 1
    assert len(world.entries()) == 2


def test_two_at_once_share_one_index(world):
    for number in range(12):
        world.past.rollout(history.generated_image(encoded(90, number)), at=NOW - number)
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
    assert len(entries_of((world.work / "one.html").read_text())) == 12
    assert (world.work / "one.html").read_text().count("-preview.webp") == 24
