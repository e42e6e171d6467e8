"""What a run costs: one model call, few requests, a small first request, and no other process."""

from __future__ import annotations

import re
import sys

import pytest

from codex_imagegen.demo.fake_openai import offered_tools
from tests.support import builds, checks
from tests.support.checks import DrawsSmall
from tests.tools.bench import pairs

pytestmark = pytest.mark.real

SERVER = """
[mcp_servers."my server"]
command = "{python}"
args = ["-c", "open('{note}', 'w').close(); import time; time.sleep(30)"]
"""


def test_run_sends_less_than_codex_alone(lab):
    """Counts and bytes of one run beside a bare one; the times are the benchmark's.

    On a machine that is busy enough the second call may be sent before it is cut off: the best of a few runs counts.
    """
    world = lab(script=DrawsSmall())
    bare = pairs.measure(world, pairs.bare(world), b"a red fox")
    for _ in range(5):
        ours = pairs.measure(world, pairs.ours(world, world.work / "fox.png"))
        if ours.calls == 1:
            break
    assert (ours.calls, bare.calls) == (1, 2)
    assert ours.first <= 0.45 * bare.first
    assert ours.requests < 0.6 * bare.requests


@pytest.mark.parametrize("version", checks.every_build())
def test_run_offers_no_shell_no_search_and_starts_no_server(lab, version, tmp_path):
    """In code mode, from 0.148, the image tool is all that is offered."""
    note = tmp_path / "started"
    config = SERVER.format(python=sys.executable, note=note)
    world = lab(version, script=DrawsSmall(), extra_config=config)
    done = world.call("--prompt", "a fox", "--out", "fox.png")
    assert done.code == 0, done
    request = checks.requests(world)[0]
    offered = {tool.get("name") or tool.get("type") for _space, tool in offered_tools(request)}
    assert offered & {"exec_command", "shell", "shell_command", "web_search", "write_stdin", "spawn_agent"} <= (
        {"spawn_agent"} if builds.number(version)[:2] == (0, 144) else set()
    )
    assert not note.exists()
    if builds.number(version) >= (0, 148):
        assert offered <= {"exec", "wait", "request_user_input_async"}
        (script,) = [tool["description"] for _space, tool in offered_tools(request) if tool["name"] == "exec"]
        assert re.findall(r"^### `(\w+)`", script, re.MULTILINE) == ["image_gen__imagegen"]


def test_run_with_a_codex_argument_switches_a_tool_on_again(lab):
    world = lab(builds.OLDEST, script=DrawsSmall())
    done = world.call("-p", "a fox", "-o", "fox.png", "--codex-arg", "-c", "--codex-arg", 'web_search="cached"')
    assert done.code == 0, done
    assert "web_search" in {tool.get("type") for _space, tool in offered_tools(checks.requests(world)[0])}


@pytest.mark.parametrize("config", ["[broken", '[mcp_servers]\n"a" = 1'])
def test_run_with_a_config_that_cannot_be_read_fails_in_codex_own_words(lab, config):
    """Codex itself refuses such a config: the failure is its own, in its own words."""
    world = lab(script=DrawsSmall(), extra_config=config)
    done = world.call("-p", "a fox", "-o", "fox.png", "--json")
    assert (done.code, done.json["error"]["code"]) == (5, "codex-failed")
    assert "config" in done.json["error"]["message"]
