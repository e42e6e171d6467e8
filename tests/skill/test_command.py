"""``codex-imagegen skill install`` and ``uninstall``: which files they write, replace, keep and remove."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.skill.install import compute_seal, read_text
from tests.skill.files import BELOW, assert_refused, files, skill
from tests.support.checks import KEYS

OLDER = read_text().replace(b"fox", b"cat")
OLDER = OLDER.replace(f'seal: "{compute_seal(read_text())}"'.encode(), f'seal: "{compute_seal(OLDER)}"'.encode())
"""The skill of an earlier version."""


def test_skill_prints_its_text(world):
    done = world.run("skill")
    assert (done.code, done.out, done.err) == (0, read_text(), "")
    assert files(world) == set()


def test_skill_with_json_prints_one_object(world):
    done = skill(world, "--json")
    assert list(done.json) == [*KEYS, "skill"]
    assert done.json["skill"] == read_text().decode()


PLACES = [
    (["--agent", "claude"], {}, "home/.claude/skills"),
    (["--agent", "codex"], {}, "home/.agents/skills"),
    (["--agent", "cursor"], {}, "home/.cursor/skills"),
    (["--agent", "claude"], {"CLAUDE_CONFIG_DIR": "../elsewhere"}, "elsewhere/skills"),
    (["--agent", "codex"], {"CODEX_HOME": "../elsewhere"}, "home/.agents/skills"),
    (["--agent", "claude", "--project"], {}, "work/.claude/skills"),
    (["--agent", "codex", "--project"], {}, "work/.agents/skills"),
    (["--agent", "cursor", "--project"], {}, "work/.cursor/skills"),
    (["--dir", "a/new folder"], {}, "work/a/new folder"),
]


@pytest.mark.parametrize(("arguments", "environment", "folder"), PLACES)
def test_install_writes_one_file_and_uninstall_removes_it(world, arguments, environment, folder):
    path = world.folder / folder / BELOW
    done = skill(world, "install", *arguments, **environment)
    assert (done.code, done.text, done.err) == (0, f"{path}\n", "")
    assert path.read_bytes() == read_text()
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
    assert os.listdir(path.parent) == ["SKILL.md"]
    done = skill(world, "uninstall", *arguments, **environment)
    assert (done.code, done.text, done.err) == (0, f"{path}\n", "")
    assert not path.parent.exists()
    assert files(world) == set()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_install_without_agent_finds_the_agents(world):
    (world.home / ".claude").mkdir()
    (world.home / "moved").mkdir()
    (world.home / ".cursor").mkdir()
    done = skill(world, "install", "--json", CODEX_HOME=str(world.home / "moved"))
    installed = [(skill["agent"], skill["status"]) for skill in done.json["skills"]]
    assert installed == [("claude", "installed"), ("codex", "installed")]  # whose skills Cursor reads as well
    assert files(world) == {world.home / ".claude/skills" / BELOW, world.home / ".agents/skills" / BELOW}


def test_install_for_cursor_only_writes_its_folder(world):
    (world.home / ".cursor").mkdir()
    assert skill(world, "install", "--project").text == f"{world.work / '.cursor/skills' / BELOW}\n"


def test_install_without_any_agent_is_refused_as_usage(world):
    done = skill(world, "install", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert "--dir" in done.json["error"]["hint"]
    assert files(world) == set()


def test_install_twice_changes_nothing(world, there):
    before = (there.stat().st_ino, there.stat().st_mtime_ns)
    done = skill(world, "install", "--dir", "skills", "--json")
    assert (done.code, done.err, done.json["skills"][0]["status"]) == (0, "", "unchanged")
    assert (there.stat().st_ino, there.stat().st_mtime_ns) == before


def test_install_replaces_an_older_version_and_shows_the_difference(world, there):
    there.write_bytes(OLDER)
    done = skill(world, "install", "--dir", "skills", "--json")
    assert (done.code, done.json["skills"][0]["status"]) == (0, "updated")
    assert '-codex-imagegen --prompt "a red cat in the snow" --out cat.png --json\n' in done.err
    assert '+codex-imagegen --prompt "a red fox in the snow" --out fox.png --json\n' in done.err
    assert there.read_bytes() == read_text()


@pytest.mark.parametrize("data", [read_text() + b"my own words\n", b"another skill\n", b"", b"\x1b[2J\xff\xff"])
def test_foreign_or_edited_file_is_left_alone_without_force(world, there, data):
    there.write_bytes(data)
    done = skill(world, "install", "--dir", "skills", "--json")
    assert_refused(done)
    assert "--- " in done.err
    assert "\x1b" not in done.err
    assert_refused(skill(world, "uninstall", "--dir", "skills", "--json"))
    assert there.read_bytes() == data
    assert skill(world, "install", "--dir", "skills", "--force").code == 0
    assert there.read_bytes() == read_text()
    there.write_bytes(data)
    assert skill(world, "uninstall", "--dir", "skills", "--force").code == 0
    assert not there.parent.exists()


def test_install_refused_for_one_agent_writes_none(world):
    for agent in (".claude", ".codex"):
        (world.home / agent).mkdir()
    path = world.home / ".agents/skills" / BELOW
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    assert_refused(skill(world, "install", "--json"))
    assert files(world) == {path}


def test_uninstall_removes_only_its_own_file(world, there):
    beside = there.parent / "notes.md"
    beside.write_text("mine")
    assert skill(world, "uninstall", "--dir", "skills").text == f"{there}\n"
    assert files(world) == {beside}


def test_uninstall_without_file_succeeds(world):
    done = skill(world, "uninstall", "--dir", "skills")
    assert (done.code, done.text, done.err.count("\n")) == (0, "", 1)
    assert skill(world, "uninstall", "--dir", "skills", "--json").json["skills"][0]["status"] == "absent"
    assert list(world.work.iterdir()) == []


@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize("arguments", [["--dir", "x", "--agent", "claude"], ["--dir", "x", "--project"], ["--dir", ""]])
def test_contradictory_options_are_refused_as_usage(world, command, arguments):
    done = skill(world, command, *arguments, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert files(world) == set()


def test_unknown_agent_is_refused_as_usage(world):
    done = skill(world, "--json", "install", "--agent", "clippy")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
