"""What the skill tells an agent to type, typed into a shell as it stands there, with the real Codex."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from codex_imagegen.skill.text import text
from tests.support import checks, docs
from tests.support.scripts import Draws

pytestmark = pytest.mark.real

COMMAND, BACKGROUND = docs.Page("SKILL.md", text().decode()).blocks("sh")
THREAD = "THREAD_ID"
PATIENCE_SEC = 90


class Waits(Draws):
    """The picture comes when the test says so."""

    def __init__(self):
        super().__init__()
        self.asked, self.go = threading.Event(), threading.Event()

    def draw(self, prompt):
        self.asked.set()
        self.go.wait(PATIENCE_SEC)
        return super().draw(prompt)


class Agent:
    """An agent's shell: each command in a session of its own, which is killed as soon as the command is over."""

    def __init__(self, world):
        self.world = world
        self.environment = docs.environment(world)

    def start(self, command):
        return subprocess.Popen(
            ["bash", "-c", command], cwd=self.world.work, env=self.environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, command):
        """The exit code and stdout."""
        child = self.start(command)
        out, _err = child.communicate(timeout=PATIENCE_SEC)
        kill_all(child)
        return child.returncode, out


def kill_all(child):
    """What an agent's shell does to all that a command has left in its group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def said(command):
    """One of the commands that the skill names in backquotes."""
    (found,) = re.findall(rf"`({re.escape(command)}[^`]*)`", text().decode())
    return found


def test_command_of_the_skill_makes_a_picture(lab):
    world = lab(script=Draws())
    code, out = Agent(world).run(COMMAND)
    assert (code, json.loads(out)["images"][0]["path"]) == (0, str(world.work / "fox.png"))
    assert (world.work / "fox.png").read_bytes() == world.standin.script.nth(0)


def test_background_command_survives_its_shell(lab):
    world = lab(script=Waits())
    agent = Agent(world)
    code, out = agent.run(BACKGROUND)
    folder = Path(out.strip())
    assert code == 0
    assert world.standin.script.asked.wait(PATIENCE_SEC)
    assert not (folder / "code").exists()
    world.standin.script.go.set()
    checks.until(lambda: (folder / "code").exists() and (folder / "code").read_text(), "the exit code")
    assert agent.run(f"cat {folder}/code") == (0, "0\n")
    assert json.loads((folder / "out").read_text())["images"][0]["path"] == str(world.work / "fox.png")
    assert (world.work / "fox.png").read_bytes() == world.standin.script.nth(0)


def test_killed_run_is_recovered_by_the_named_commands(lab):
    world = lab(script=Waits())
    agent = Agent(world)
    child = agent.start(COMMAND)
    assert world.standin.script.asked.wait(PATIENCE_SEC)
    kill_all(child)
    child.communicate(timeout=PATIENCE_SEC)
    world.standin.script.go.set()
    listing = said("codex-imagegen recover --list")
    found = []
    checks.until(lambda: found.extend(json.loads(agent.run(listing)[1])["sessions"]) or found, "the session")
    (session,) = found
    assert session["prompt"] == "a red fox in the snow"
    assert session["time"].endswith("Z")
    code, out = agent.run(said(f"codex-imagegen recover {THREAD}").replace(THREAD, session["thread_id"]))
    assert (code, json.loads(out)["images"][0]["path"]) == (0, str(world.work / "fox.png"))
    assert (world.work / "fox.png").read_bytes() == world.standin.script.nth(0)
