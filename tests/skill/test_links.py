"""No symbolic link leads the skill out of the folder that was asked for, and nothing odd in its place is touched."""

from __future__ import annotations

import os

import pytest

from codex_imagegen.skill.text import text
from tests.skill.worlds import BELOW, assert_refused
from tests.support.lab import COMMAND


def test_the_folder_asked_for_may_be_a_link(world):
    (world.home / "dotfiles").mkdir()
    (world.home / ".claude").symlink_to("dotfiles")
    assert world.skill("install", "--agent", "claude").code == 0
    assert (world.home / "dotfiles/skills" / BELOW).read_bytes() == text()


def test_a_link_inside_the_project_is_followed(world):
    (world.work / ".agents/skills").mkdir(parents=True)
    (world.work / ".claude").symlink_to(".agents")
    assert world.skill("install", "--agent", "claude", "--project").code == 0
    assert world.files() - {world.work / ".claude"} == {world.work / ".agents/skills" / BELOW}


@pytest.mark.parametrize(
    "link", [".claude", ".claude/skills", ".claude/skills/codex-imagegen", f".claude/skills/{BELOW}"]
)
@pytest.mark.parametrize("command", ["install", "uninstall"])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_link_out_of_the_project_is_not(world, link, command, force):
    """What a hostile repository may have checked out: a link to the user's own things."""
    below = f".claude/skills/{BELOW}".removeprefix(link).lstrip("/")
    outside = world.home / "own"
    own = outside / below if below else outside
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(text())
    (world.work / link).parent.mkdir(parents=True, exist_ok=True)
    (world.work / link).symlink_to(outside)
    assert_refused(world.skill(command, "--agent", "claude", "--project", "--json", *force), "out-unwritable")
    assert own.read_bytes() == text()
    assert world.files() == {own, world.work / link}


def test_a_link_to_nowhere_is_left_alone(world):
    (world.work / "skills").mkdir()
    (world.work / "skills/codex-imagegen").symlink_to("../made")
    assert_refused(world.skill("install", "--dir", "skills", "--json"), "out-unwritable")
    assert not (world.work / "made").exists()


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_a_fifo_a_folder_and_a_huge_file_are_left_alone(world, there, command):
    def refused():
        done = world.skill(command, "--dir", "skills", "--force", "--json")
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


def test_a_file_where_a_folder_should_be(world):
    (world.work / "skills").write_text("mine")
    assert_refused(world.skill("install", "--dir", "skills", "--json"), "out-unwritable")
    assert_refused(world.skill("install", "--dir", "skills/deeper", "--json"), "out-unwritable")
    assert (world.work / "skills").read_text() == "mine"


def test_a_working_folder_that_is_gone(world):
    """The project is where we are: nowhere."""
    gone = world.work / "gone"
    gone.mkdir()
    world.work = gone
    script = f'rmdir "$PWD"; exec {COMMAND} skill install --agent claude --project --json'
    done = world.run(["sh", "-c", script])
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
