"""Agents find the skill: the real Codex where it was installed, and ``npx skills`` in the repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from codex_imagegen.skill.install import NAME, read_text
from tests.skill.files import BELOW, environment, files
from tests.support import builds
from tests.support.in_process import call

ROOT = Path(__file__).parents[2]
DESCRIPTION = re.search(r"^description: (.*)$", read_text().decode(), re.MULTILINE)[1]

# Node refuses every connection, and records the address
LOOPBACK = """
const net = require("node:net"), fs = require("node:fs");
net.Socket.prototype.connect = function (...words) {
  fs.appendFileSync(process.env.CONNECTED, JSON.stringify(words) + "\\n");
  throw new Error("this test has no network");
};
"""


def skills_of(world, *, codex_home):
    """The skills that the real Codex's app-server lists for the working folder."""
    variables = {**world.environment, "CODEX_HOME": str(codex_home)}
    child = subprocess.Popen(
        [builds.codex(builds.NEWEST), "app-server"], cwd=world.work, env=variables, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with child:
        for message in (
            {"id": 1, "method": "initialize", "params": {"clientInfo": {"name": "tests", "version": "1"}}},
            {"method": "initialized"},
            {"id": 2, "method": "skills/list", "params": {"cwds": [str(world.work)]}},
        ):
            child.stdin.write(json.dumps(message) + "\n")
        child.stdin.flush()
        answer = next(answer for answer in map(json.loads, child.stdout) if answer.get("id") == 2)
        child.terminate()
    (listed,) = answer["result"]["data"]
    assert listed["errors"] == []
    return {skill["path"]: skill for skill in listed["skills"] if skill["name"] == NAME}


@pytest.mark.real
@pytest.mark.parametrize("arguments", [["--agent", "codex"], ["--agent", "codex", "--project"]])
def test_codex_lists_the_installed_skill(lab, tmp_path, arguments):
    world, elsewhere = lab(), tmp_path / "codex-home"
    elsewhere.mkdir()
    path = call("skill", "install", *arguments, environment=world.environment, folder=world.work).text.strip()
    found = skills_of(world, codex_home=elsewhere)
    assert list(found) == [path]
    assert found[path]["description"] == DESCRIPTION


@pytest.fixture
def node(world, tmp_path):
    """Run Node without a network or telemetry; ``node.connected`` is the file of the addresses that it tried."""
    (tmp_path / "loopback.cjs").write_text(LOOPBACK)
    variables = {
        "DO_NOT_TRACK": "1", "DISABLE_TELEMETRY": "1", "NO_COLOR": "1", "CI": "1",
        "NODE_OPTIONS": f"--require {tmp_path / 'loopback.cjs'}", "CONNECTED": str(tmp_path / "connected"),
    }  # fmt: skip

    def run(*arguments):
        argv = [shutil.which("node") or pytest.skip("Node is not there"), *arguments]
        return world.run_argv(argv, env=environment(world, **variables))

    run.connected = tmp_path / "connected"
    return run


@pytest.mark.ci
def test_node_without_network_records_what_it_tried(node):
    node("-e", "fetch('http://127.0.0.1:54321').catch(() => 0)")
    assert node.connected.exists()


@pytest.mark.ci
@pytest.mark.real
def test_npx_skills_installs_the_skill_of_the_repository(world, node):
    tool = str(builds.npm_package("skills", "1.5.15") / "bin" / "cli.mjs")  # newer ones need Node 22.20
    listed = node(tool, "add", str(ROOT), "--list")
    assert (listed.code, "Found 1 skill" in listed.text, DESCRIPTION in listed.text) == (0, True, True), listed
    assert node(tool, "add", str(ROOT), "--agent", "codex", "--yes").code == 0
    assert (world.work / ".agents/skills" / BELOW).read_bytes() == read_text()
    assert files(world) == {world.work / ".agents/skills" / BELOW, world.work / "skills-lock.json"}
    assert not node.connected.exists(), node.connected.read_text()
