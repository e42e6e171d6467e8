"""The commands in the skill, run in a shell as they are written, with the real Codex."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from codex_imagegen.skill.install import read_text
from tests.support import checks, docs
from tests.support.scripts import Draws

pytestmark = pytest.mark.real

COMMAND, BACKGROUND = docs.Page("SKILL.md", read_text().decode()).blocks("sh")
THREAD = "THREAD_ID"
TIMEOUT_SEC = 90


class Waits(Draws):
    """Draws a picture once the test sets ``go``."""

    def __init__(self):
        super().__init__()
        self.asked, self.go = threading.Event(), threading.Event()

    def draw(self, prompt):
        self.asked.set()
        self.go.wait(TIMEOUT_SEC)
        return super().draw(prompt)


class Agent:
    """An agent's shell: each command has its own session, which is killed as soon as the command ends."""

    def __init__(self, world):
        self.world = world
        self.environment = docs.environment(world)

    def start(self, command):
        return subprocess.Popen(
            ["bash", "-c", command], cwd=self.world.work, env=self.environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, command):
        """Run a command; gives back its exit code and stdout."""
        child = self.start(command)
        out, _err = child.communicate(timeout=TIMEOUT_SEC)
        kill_all(child)
        return child.returncode, out


def kill_all(child):
    """Kill all that a command left in its group, as an agent's shell does."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def quoted(command):
    """The command in backquotes in the skill that begins like this."""
    (found,) = re.findall(rf"`({re.escape(command)}[^`]*)`", read_text().decode())
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
    assert world.standin.script.asked.wait(TIMEOUT_SEC)
    assert not (folder / "code").exists()
    world.standin.script.go.set()
    checks.wait_until(lambda: (folder / "code").exists() and (folder / "code").read_text(), "the exit code")
    assert agent.run(f"cat {folder}/code") == (0, "0\n")
    assert json.loads((folder / "out").read_text())["images"][0]["path"] == str(world.work / "fox.png")
    assert (world.work / "fox.png").read_bytes() == world.standin.script.nth(0)


def test_killed_run_is_recovered_by_the_named_commands(lab):
    world = lab(script=Waits())
    agent = Agent(world)
    child = agent.start(COMMAND)
    assert world.standin.script.asked.wait(TIMEOUT_SEC)
    kill_all(child)
    child.communicate(timeout=TIMEOUT_SEC)
    world.standin.script.go.set()
    listing = quoted("codex-imagegen recover --list")
    found = []
    checks.wait_until(lambda: found.extend(json.loads(agent.run(listing)[1])["sessions"]) or found, "the session")
    (session,) = found
    assert session["prompt"] == "a red fox in the snow"
    assert session["time"].endswith("Z")
    code, out = agent.run(quoted(f"codex-imagegen recover {THREAD}").replace(THREAD, session["thread_id"]))
    assert (code, json.loads(out)["images"][0]["path"]) == (0, str(world.work / "fox.png"))
    assert (world.work / "fox.png").read_bytes() == world.standin.script.nth(0)
