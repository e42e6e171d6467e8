"""Which sessions are ours, and what is never removed: sessions of others, and what lies behind links."""

from __future__ import annotations

import json
import os

import pytest

from codex_imagegen.codex.run.command import INSTRUCTIONS
from codex_imagegen.prune import scan
from tests.prune.sessions import files, turn_end, turn_start, write_own_session
from tests.support import history
from tests.support.pictures import encoded

FOX = encoded(40, "fox")
NAME = "codex-imagegen-run-0123456789abcdef"


@pytest.mark.parametrize(
    "meta",
    [
        {"cwd": "/tmp/codex-imagegen-run-x"},
        {"cwd": "/tmp/codex-imagegen-run-0123456789abcde"},
        {"cwd": "/tmp/codex-imagegen-run-0123456789ABCDEF"},
        {"cwd": f"/tmp/{NAME}0"},
        {"cwd": f"/tmp/{NAME}/below"},
        {"cwd": f"/tmp/my-{NAME}"},
        {"cwd": f"/tmp/{NAME}\n"},
        {"cwd": NAME},
        {"cwd": None},
        {"cwd": [f"/tmp/{NAME}"]},
        {"source": "cli"},
        {"source": "vscode"},
        {"source": None},
        {"source": {"subagent": {"thread_spawn": {"parent_thread_id": history.new_thread_id(0)}}}},
        {"forked_from_id": history.new_thread_id(0)},
        {"id": history.new_thread_id(0)},
        {"id": "../../.."},
        {"instructions": ""},
        {"instructions": "You are a coding agent."},
    ],
)
def test_prune_ignores_sessions_that_only_look_like_ours(world, meta):
    path = write_own_session(world, history.generated_image(FOX), **meta)
    done = world.call("prune", "--yes", "--json")
    assert (done.code, done.json["total"]["sessions"], done.json["removed"]["sessions"]) == (0, 0, 0)
    assert path.exists()


def test_prune_reads_the_working_folder_from_the_first_record_only(world):
    """A session of the user that names one of our folders in a later record or in a prompt."""
    claim = history.session_meta(history.new_thread_id(0), cwd=f"/tmp/{NAME}", source="exec")
    path = write_own_session(
        world, claim, history.user_message(f"what is in /tmp/{NAME}?"), cwd="/home/me", note=f"/tmp/{NAME}"
    )
    assert world.call("prune", "--yes", "--json").json["total"]["sessions"] == 0
    assert path.exists()


def test_prune_ignores_sessions_that_quote_our_instructions(world):
    path = write_own_session(
        world,
        history.user_message(str(history.developer_message())),
        history.user_message(json.dumps(history.developer_message())),
        instructions="",
    )
    assert world.call("prune", "--yes", "--json").json["total"]["sessions"] == 0
    assert path.exists()


def test_instructions_begin_with_the_text_that_prune_knows():
    assert INSTRUCTIONS.encode().startswith(scan.INSTRUCTIONS)


@pytest.mark.parametrize("where", ["temporary folder", "elsewhere"])
def test_prune_finds_a_working_folder_by_its_name_in_the_temporary_folder(world, tmp_path, where):
    path = write_own_session(world, cwd=f"/mnt/of/a/container/{NAME}")
    folder = (world.folder if where == "elsewhere" else tmp_path / "tmp") / NAME
    folder.mkdir(parents=True)
    done = world.call("prune", "--yes", "--json", env={"TMPDIR": str(tmp_path / "tmp")})
    assert path.exists() == (where == "temporary folder")
    assert [entry["reason"] for entry in done.json["kept"]] == ["unfinished"] * path.exists()


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b"[" * 100_000, NAME.encode(), b"\xff" + NAME.encode() + b"\n"])
def test_prune_ignores_rollouts_with_a_broken_first_record(world, line):
    path = write_own_session(world)
    path.write_bytes(line)
    assert world.call("prune", "--yes", "--json").json["total"]["sessions"] == 0
    assert path.exists()


def test_prune_removes_archived_sessions(world):
    path = write_own_session(world)
    archive = world.home / "archived_sessions"
    archive.mkdir()
    path.rename(archive / path.name)
    assert world.call("prune", "--yes", "--json").json["removed"]["sessions"] == 1
    assert files(world) == set()


def test_prune_keeps_compressed_sessions_and_warns(world):
    path = write_own_session(world)
    path.rename(f"{path}.zst")
    done = world.call("prune", "--yes", "--json")
    assert [warning["code"] for warning in done.json["warnings"]] == ["compressed"]
    assert len(files(world)) == 1


@pytest.mark.parametrize("place", ["sessions", "archived_sessions", "generated_images"])
def test_prune_keeps_what_lies_behind_a_linked_folder_and_warns(world, place, tmp_path):
    path = write_own_session(world, history.generated_image(FOX))
    world.history.saved(history.thread_of(path), FOX)
    (world.home / "archived_sessions").mkdir()
    elsewhere = tmp_path / "elsewhere"
    (world.home / place).rename(elsewhere)
    (world.home / place).symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    done = world.call("prune", "--yes", "--json")
    assert [warning["code"] for warning in done.json["warnings"]][:1] == ["linked"]
    assert sorted(elsewhere.rglob("*")) == before


def test_prune_follows_no_link_below(world, tmp_path):
    """A rollout, a day folder and a folder of pictures that are links: their targets are kept."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine.png").write_bytes(FOX)
    linked = write_own_session(world, history.generated_image(FOX))
    (world.home / "generated_images").mkdir()
    (world.home / "generated_images" / history.thread_of(linked)).symlink_to(outside)
    other = write_own_session(world, days=50)
    moved = other.rename(outside / other.name)
    other.symlink_to(moved)
    day = write_own_session(world, days=40).parent.rename(outside / "day")
    (world.home / "sessions" / "2020").symlink_to(outside)
    done = world.call("prune", "--yes", "--json")
    assert (done.code, done.json["removed"]["sessions"]) == (0, 1)
    assert not linked.exists()
    assert (outside / "mine.png").read_bytes() == FOX
    assert moved.exists()
    assert len(list(day.iterdir())) == 1


@pytest.mark.parametrize("padding", [0, 700_000])
@pytest.mark.parametrize("torn", [False, True])
def test_prune_keeps_sessions_of_several_turns(world, padding, torn):
    filler = {"type": "response_item", "payload": {"type": "message", "text": "x" * padding}}
    other = history.new_thread_id()
    path = write_own_session(
        world, filler, turn_start(other), filler, *([] if torn else [turn_end(other)]), filler, end=False
    )
    fake = history.user_message('{"type":"task_started","turn_id":"' + history.new_thread_id() + '"}')
    single = write_own_session(world, filler, fake, filler)
    done = world.call("prune", "--yes", "--json")
    assert [(entry["reason"], entry["sessions"]) for entry in done.json["kept"]] == [("continued", 1)]
    assert path.exists()
    assert not single.exists()


def test_prune_keeps_sessions_that_were_forked(world):
    path = write_own_session(world)
    fork = write_own_session(world, forked_from_id=history.thread_of(path), source="cli", cwd="/home/me")
    done = world.call("prune", "--yes", "--json")
    assert [entry["reason"] for entry in done.json["kept"]] == ["forked"]
    assert path.exists()
    assert fork.exists()


def test_prune_keeps_pictures_of_other_threads(world):
    theirs = write_own_session(world, source="cli")
    for thread in (history.thread_of(theirs), history.new_thread_id()):
        world.history.saved(thread, FOX)
    ours = write_own_session(world)
    world.history.saved(history.thread_of(ours), FOX)
    before = files(world)
    assert world.call("prune", "--yes").code == 0
    assert files(world) == {path for path in before if history.thread_of(ours) not in path}


def test_prune_keeps_sessions_written_a_moment_ago(world):
    path = write_own_session(world)
    os.utime(path)
    done = world.call("prune", "--older-than", "0", "--yes", "--json")
    assert [entry["reason"] for entry in done.json["kept"]] == ["running"]
    assert path.exists()


def test_prune_keeps_both_rollouts_of_a_thread_where_one_is_not_ours(world):
    path = write_own_session(world, history.generated_image(FOX))
    twin = world.home / "archived_sessions" / path.name
    twin.parent.mkdir()
    twin.write_bytes(
        history.rollout_line(history.session_meta(history.thread_of(path), cwd="/home/me/project", source="cli"))
    )
    assert world.call("prune", "--yes").code == 0
    assert path.exists()
    assert twin.exists()


def test_prune_keeps_a_linked_day_and_its_pictures(world):
    path = write_own_session(world, history.generated_image(FOX))
    folder = world.history.saved(history.thread_of(path), FOX)
    elsewhere = world.home.parent / "elsewhere"
    path.parent.rename(elsewhere)
    path.parent.symlink_to(elsewhere)
    done = world.call("prune", "--yes", "--json")
    assert (done.code, done.json["removed"]["sessions"]) == (0, 0)
    assert (elsewhere / path.name).exists()
    assert list(folder.iterdir())


def test_prune_keeps_other_files_in_a_folder_of_pictures(world):
    path = write_own_session(world, history.generated_image(FOX))
    mine = world.history.saved(history.thread_of(path), FOX) / "edits" / "mine.psd"
    mine.parent.mkdir()
    mine.write_bytes(b"hours of work")
    assert world.call("prune", "--yes").code == 0
    assert not path.exists()
    assert mine.exists()
    assert [child.name for child in mine.parent.parent.iterdir()] == ["edits"]
