"""No symbolic link leads the skill out of the requested folder, and only a regular file is replaced or removed."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.skill.install import read_text
from tests.skill.files import BELOW, assert_refused, environment, files, skill
from tests.support.lab import COMMAND


def test_linked_agent_folder_is_followed(world):
    (world.home / "dotfiles").mkdir()
    (world.home / ".claude").symlink_to("dotfiles")
    assert skill(world, "install", "--agent", "claude").code == 0
    assert (world.home / "dotfiles/skills" / BELOW).read_bytes() == read_text()


def test_link_inside_the_project_is_followed(world):
    (world.work / ".agents/skills").mkdir(parents=True)
    (world.work / ".claude").symlink_to(".agents")
    assert skill(world, "install", "--agent", "claude", "--project").code == 0
    assert files(world) - {world.work / ".claude"} == {world.work / ".agents/skills" / BELOW}


@pytest.mark.parametrize(
    "link", [".claude", ".claude/skills", ".claude/skills/codex-imagegen", f".claude/skills/{BELOW}"]
)
@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_link_out_of_the_project_is_refused(world, link, command, force):
    """A hostile repository may have a link to the user's own files."""
    below = f".claude/skills/{BELOW}".removeprefix(link).lstrip("/")
    outside = world.home / "own"
    own = outside / below if below else outside
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(read_text())
    (world.work / link).parent.mkdir(parents=True, exist_ok=True)
    (world.work / link).symlink_to(outside)
    assert_refused(skill(world, command, "--agent", "claude", "--project", "--json", *force), "out-unwritable")
    assert own.read_bytes() == read_text()
    assert files(world) == {own, world.work / link}


def test_dangling_link_is_refused(world):
    (world.work / "skills").mkdir()
    (world.work / "skills/codex-imagegen").symlink_to("../made")
    assert_refused(skill(world, "install", "--dir", "skills", "--json"), "out-unwritable")
    assert not (world.work / "made").exists()


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_fifo_folder_and_huge_file_are_refused(world, there, command):
    def refused():
        done = skill(world, command, "--dir", "skills", "--force", "--json")
        assert_refused(done, "out-unwritable")
        assert os.listdir(there.parent) == [there.name]

    there.unlink()
    os.mkfifo(there)
    refused()
    there.unlink()
    there.mkdir()
    refused()
    there.rmdir()
    with there.open("wb") as file:
        file.truncate(1 << 30)
    refused()


def test_file_in_place_of_folder_is_refused(world):
    (world.work / "skills").write_text("mine")
    assert_refused(skill(world, "install", "--dir", "skills", "--json"), "out-unwritable")
    assert_refused(skill(world, "install", "--dir", "skills/deeper", "--json"), "out-unwritable")
    assert (world.work / "skills").read_text() == "mine"


def test_removed_working_folder_is_refused_as_usage(world):
    """--project means the working folder, which is gone."""
    gone = world.work / "gone"
    gone.mkdir()
    script = f'rmdir "$PWD"; exec {COMMAND} skill install --agent claude --project --json'
    done = world.run_argv(["sh", "-c", f"cd gone; {script}"], env=environment(world))
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
