"""Which rollout is ours: the thread names it, its first record proves it, and others are not read further."""

from __future__ import annotations

import builtins
import json
import os
import time
from pathlib import Path

import pytest

from codex_imagegen.codex.run import attribution, resume
from codex_imagegen.codex.run.attribution import Attribution
from codex_imagegen.codex.sessions import layout

MINE, OTHER = "01a1fbe1-83b8-73a2-83b1-f7ddcdffe422", "01a1fbe1-83b8-73a2-83b1-f7ddcdffe423"


@pytest.fixture
def world(tmp_path):
    folder = tmp_path / "codex-imagegen-run-0123456789abcdef"
    folder.mkdir()
    return str(tmp_path / "home"), str(folder)


def write(home, thread, cwd, *, more="", now=None):
    """A rollout of today's."""
    day = layout.list_day_folders(home, now)[0]
    os.makedirs(day, exist_ok=True)
    path = os.path.join(day, f"rollout-2026-11-21T02-13-43-{thread}.jsonl")
    payload = {"id": thread, "cwd": cwd, "cli_version": "0.169.0"}
    with open(path, "w") as file:
        file.write(json.dumps({"type": "session_meta", "payload": payload}) + "\n" + more)
    return path


def test_rollout_named_by_the_thread_is_proven_by_the_folder(world):
    home, folder = world
    ours = Attribution(home, folder)
    write(home, OTHER, "/elsewhere")
    path = write(home, MINE, folder)
    found = ours.find(MINE, ended=False)
    assert found is not None
    assert (found.path, found.offset, found.meta.codex_version) == (path, 0, "0.169.0")


def test_rollout_of_another_folder_is_not_ours(world):
    home, folder = world
    ours = Attribution(home, folder)
    write(home, MINE, "/elsewhere")
    assert ours.find(MINE, ended=True) is None


def test_rollout_without_a_thread_is_found_by_its_folder_later(world, monkeypatch):
    home, folder = world
    ours = Attribution(home, folder)
    write(home, OTHER, "/elsewhere")
    path = write(home, MINE, folder)
    assert ours.find(None, ended=False) is None
    found = ours.find(None, ended=True)
    assert found is not None
    assert found.path == path
    monkeypatch.setattr(attribution, "NO_THREAD_SEC", 0)
    assert ours.find(None, ended=False) == found


def test_rollout_from_before_is_not_ours_even_if_it_grew(world):
    home, folder = world
    path = write(home, MINE, "/first/run")
    ours = Attribution(home, folder)
    with open(path, "a") as file:
        file.write('{"type":"turn_context","payload":{}}\n')
    assert ours.find(MINE, ended=True) is None
    assert ours.find(None, ended=True) is None
    assert ours.find_by_name(MINE) is None


@pytest.mark.parametrize("age_days", [0, 1, 40])
@pytest.mark.parametrize("which", [MINE, "", "a name of the user's"])
def test_resumed_rollout_is_ours_from_its_new_part_on(world, age_days, which):
    home, folder = world
    path = write(home, MINE, "/first/run", now=time.time() - age_days * 86_400)
    size = os.path.getsize(path)
    ours = Attribution(home, folder, resume.read_thread_state(home, which))
    with open(path, "a") as file:
        file.write('{"type":"turn_context","payload":{}}\n')
    found = ours.find(MINE, ended=False)
    assert found is not None
    assert (found.path, found.offset) == (path, size)
    assert ours.find_by_name(MINE) is None  # it is never read from its beginning


def test_resume_that_began_a_new_thread_uses_that_rollout(world):
    """``resume --last`` does so where there is nothing to go on with."""
    home, folder = world
    ours = Attribution(home, folder, resume.read_thread_state(home, ""))
    path = write(home, MINE, folder)
    found = ours.find(MINE, ended=False)
    assert found is not None
    assert (found.path, found.offset) == (path, 0)


def test_working_folder_is_known_by_its_random_name(world):
    """A bind mount, another case or another Unicode form spells its path in another way."""
    home, folder = world
    ours = Attribution(home, folder)
    path = write(home, MINE, f"/mnt/ELSEWHERE/{os.path.basename(folder)}")
    found = ours.find(MINE, ended=False)
    assert found is not None
    assert found.path == path


def test_incomplete_first_record_is_read_again(world):
    home, folder = world
    ours = Attribution(home, folder)
    path = write(home, MINE, folder)
    whole = Path(path).read_bytes()
    with open(path, "wb") as file:
        file.write(whole[:-10])
    assert ours.find(MINE, ended=False) is None
    with open(path, "wb") as file:
        file.write(whole)
    assert ours.find(MINE, ended=False) is not None


def test_rollout_of_another_run_is_read_once(world, monkeypatch):
    home, folder = world
    ours = Attribution(home, folder)
    foreign = write(home, OTHER, "/elsewhere", more="x" * 100_000)
    opened = []
    real = builtins.open

    def watched(path, *rest, **named):
        opened.append(path)
        return real(path, *rest, **named)

    monkeypatch.setattr(builtins, "open", watched)
    for _ in range(5):
        assert ours.find(None, ended=True) is None
    assert opened == [foreign]


def test_rollout_is_found_in_the_next_day_after_midnight(world, monkeypatch):
    home, folder = world
    ours = Attribution(home, folder)
    tomorrow = time.time() + 86_400
    path = write(home, MINE, folder, now=tomorrow)
    found = ours.find(MINE, ended=False)
    assert found is not None
    assert found.path == path
