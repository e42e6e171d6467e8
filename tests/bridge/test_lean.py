"""The lean turn, as counts: one model call, few requests, a small first request, and nothing else started."""

from __future__ import annotations

import re
import sys

import pytest

from codex_imagegen.demo.standin import tools
from tests.support import builds, checks
from tests.support.checks import Small
from tests.tools.bench import pairs

pytestmark = pytest.mark.real

SERVER = """
[mcp_servers."my server"]
command = "{python}"
args = ["-c", "open('{note}', 'w').close(); import time; time.sleep(30)"]
"""


def test_less_is_sent_than_by_codex_alone(lab):
    """Counts and bytes of one run beside a bare one; the times are the benchmark's."""
    world = lab(script=Small())
    bare = pairs.measure(world, pairs.bare(world), b"a red fox")
    ours = pairs.measure(world, pairs.ours(world, world.work / "fox.png"))
    assert (ours.calls, bare.calls) == (1, 2)
    assert ours.first <= 0.45 * bare.first
    assert ours.requests < 0.6 * bare.requests


@pytest.mark.parametrize("version", checks.every_build())
def test_no_shell_no_search_no_server(lab, version, tmp_path):
    note = tmp_path / "started"
    config = SERVER.format(python=sys.executable, note=note)
    world = lab(version, script=Small(), extra_config=config)
    done = world.run("--prompt", "a fox", "--out", "fox.png")
    assert done.code == 0, done
    offered = {tool.get("name") or tool.get("type") for _space, tool in tools(checks.requests(world)[0])}
    assert offered & {"exec_command", "shell", "shell_command", "web_search", "write_stdin", "spawn_agent"} <= (
        {"spawn_agent"} if builds.number(version)[:2] == (0, 144) else set()
    )
    assert not note.exists()


@pytest.mark.parametrize(
    "version", [*(pytest.param(one, marks=pytest.mark.every_build) for one in ("0.149.1", "0.160.1")), builds.NEWEST]
)
def test_in_code_mode_the_image_tool_is_all_that_is_offered(lab, version):
    world = lab(version, script=Small())
    assert world.run("--prompt", "a fox", "--out", "fox.png").code == 0
    request = checks.requests(world)[0]
    assert {tool["name"] for _space, tool in tools(request)} <= {"exec", "wait", "request_user_input_async"}
    (script,) = [tool["description"] for _space, tool in tools(request) if tool["name"] == "exec"]
    assert re.findall(r"^### `(\w+)`", script, re.MULTILINE) == ["image_gen__imagegen"]


def test_codex_arg_undoes_a_switch(lab):
    world = lab(builds.OLDEST, script=Small())
    done = world.run("-p", "a fox", "-o", "fox.png", "--codex-arg", "-c", "--codex-arg", 'web_search="cached"')
    assert done.code == 0, done
    assert "web_search" in {tool.get("type") for _space, tool in tools(checks.requests(world)[0])}


@pytest.mark.parametrize("config", ["[broken", '[mcp_servers]\n"a" = 1'])
def test_a_config_that_we_cannot_read_costs_the_switch_and_not_more(lab, config):
    """Codex itself refuses such a config: the failure is its own, in its own words."""
    world = lab(script=Small(), extra_config=config)
    done = world.run("-p", "a fox", "-o", "fox.png", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "codex-failed")
    assert "config" in done.json["error"]["message"]
