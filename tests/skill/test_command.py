"""``codex-imagegen skill`` as it is installed: where the file goes, what is left alone, and that it can be undone."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.skill.text import seal_of, text
from tests.skill.worlds import BELOW, assert_refused
from tests.support.checks import KEYS

OLDER = text().replace(b"fox", b"cat")
OLDER = OLDER.replace(f'seal: "{seal_of(text())}"'.encode(), f'seal: "{seal_of(OLDER)}"'.encode())
"""What an earlier version may have installed."""


def test_it_is_printed(world):
    done = world.skill()
    assert (done.code, done.out, done.err) == (0, text(), "")
    assert world.files() == set()


def test_it_is_printed_as_json(world):
    done = world.skill("--json")
    assert list(done.json) == [*KEYS, "skill"]
    assert done.json["skill"] == text().decode()


PLACES = [
    (["--agent", "claude"], {}, "home/.claude/skills"),
    (["--agent", "codex"], {}, "home/.agents/skills"),
    (["--agent", "cursor"], {}, "home/.cursor/skills"),
    (["--agent", "claude"], {"CLAUDE_CONFIG_DIR": "../elsewhere"}, "elsewhere/skills"),
    (["--agent", "codex"], {"CODEX_HOME": "../elsewhere"}, "home/.agents/skills"),
    (["--agent", "claude", "--project"], {}, "project/.claude/skills"),
    (["--agent", "codex", "--project"], {}, "project/.agents/skills"),
    (["--agent", "cursor", "--project"], {}, "project/.cursor/skills"),
    (["--dir", "a/new folder"], {}, "project/a/new folder"),
]


@pytest.mark.parametrize(("arguments", "environment", "folder"), PLACES)
def test_where_it_goes_and_that_it_can_be_undone(world, tmp_path, arguments, environment, folder):
    path = tmp_path / folder / BELOW
    done = world.skill("install", *arguments, **environment)
    assert (done.code, done.text, done.err) == (0, f"{path}\n", "")
    assert path.read_bytes() == text()
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert os.listdir(path.parent) == ["SKILL.md"]
    done = world.skill("uninstall", *arguments, **environment)
    assert (done.code, done.text, done.err) == (0, f"{path}\n", "")
    assert not path.parent.exists()
    assert world.files() == set()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_it_is_installed_for_the_agents_that_are_there(world):
    (world.home / ".claude").mkdir()
    (world.home / "moved").mkdir()
    (world.home / ".cursor").mkdir()
    done = world.skill("install", "--json", CODEX_HOME=str(world.home / "moved"))
    told = [(one["agent"], one["status"]) for one in done.json["skills"]]
    assert told == [("claude", "installed"), ("codex", "installed")]  # whose skills Cursor reads as well
    assert world.files() == {world.home / ".claude/skills" / BELOW, world.home / ".agents/skills" / BELOW}


def test_cursor_alone(world):
    (world.home / ".cursor").mkdir()
    assert world.skill("install", "--project").text == f"{world.work / '.cursor/skills' / BELOW}\n"


def test_no_agent_at_all(world):
    done = world.skill("install", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert "--dir" in done.json["error"]["hint"]
    assert world.files() == set()


def test_twice_is_once(world, there):
    before = (there.stat().st_ino, there.stat().st_mtime_ns)
    done = world.skill("install", "--dir", "skills", "--json")
    assert (done.code, done.err, done.json["skills"][0]["status"]) == (0, "", "unchanged")
    assert (there.stat().st_ino, there.stat().st_mtime_ns) == before


def test_an_older_version_is_replaced_and_the_difference_shown(world, there):
    there.write_bytes(OLDER)
    done = world.skill("install", "--dir", "skills", "--json")
    assert (done.code, done.json["skills"][0]["status"]) == (0, "updated")
    assert '-codex-imagegen --prompt "a red cat in the snow" --out cat.png --json\n' in done.err
    assert '+codex-imagegen --prompt "a red fox in the snow" --out fox.png --json\n' in done.err
    assert there.read_bytes() == text()


@pytest.mark.parametrize("data", [text() + b"my own words\n", b"another skill\n", b"", b"\x1b[2J\xff\xff"])
def test_what_is_not_ours_or_was_edited_is_left_alone(world, there, data):
    there.write_bytes(data)
    done = world.skill("install", "--dir", "skills", "--json")
    assert_refused(done)
    assert "--- " in done.err
    assert "\x1b" not in done.err
    assert_refused(world.skill("uninstall", "--dir", "skills", "--json"))
    assert there.read_bytes() == data
    assert world.skill("install", "--dir", "skills", "--force").code == 0
    assert there.read_bytes() == text()
    there.write_bytes(data)
    assert world.skill("uninstall", "--dir", "skills", "--force").code == 0
    assert not there.parent.exists()


def test_one_that_is_refused_keeps_the_others_from_being_written(world):
    for agent in (".claude", ".codex"):
        (world.home / agent).mkdir()
    path = world.home / ".agents/skills" / BELOW
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert_refused(world.skill("install", "--json"))
    assert world.files() == {path}


def test_only_our_own_file_is_removed(world, there):
    beside = there.parent / "notes.md"
    beside.write_text("mine")
    assert world.skill("uninstall", "--dir", "skills").text == f"{there}\n"
    assert world.files() == {beside}


def test_nothing_to_remove(world):
    done = world.skill("uninstall", "--dir", "skills")
    assert (done.code, done.text, done.err.count("\n")) == (0, "", 1)
    assert world.skill("uninstall", "--dir", "skills", "--json").json["skills"][0]["status"] == "absent"
    assert list(world.work.iterdir()) == []


@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize("arguments", [["--dir", "x", "--agent", "claude"], ["--dir", "x", "--project"], ["--dir", ""]])
def test_what_makes_no_sense(world, command, arguments):
    done = world.skill(command, *arguments, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert world.files() == set()


def test_an_unknown_agent_is_answered_in_json(world):
    done = world.skill("--json", "install", "--agent", "clippy")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
