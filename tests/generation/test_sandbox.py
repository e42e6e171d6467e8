"""A back end that calls every tool, in a home whose config allows everything: nothing outside is changed."""

from __future__ import annotations

import json
import re
import sys

import pytest

from codex_imagegen.demo.fake_openai import (
    function_call,
    message_item,
    offered_tools,
    prompt_of,
    script_call,
    turn_reply,
)
from tests.support import builds, checks
from tests.support.checks import DrawsSmall, small_png
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
ALLOWED = 'sandbox_mode = "danger-full-access"\napproval_policy = "never"\n'
CONFIG = """
[features]
shell_tool = true
unified_exec = true
view_image = true
multi_agent = true
[mcp_servers.toucher]
command = "{python}"
args = ["{server}", "{outside}/mcp"]
[mcp_servers.other-1]
command = "{python}"
args = ["{server}", "{outside}/mcp-1"]
"""
SERVER = """
import json, pathlib, sys
pathlib.Path(sys.argv[1]).write_text("started")
for line in sys.stdin:
    ask = json.loads(line)
    if ask.get("method") == "initialize":
        result = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
        result["serverInfo"] = {"name": "toucher", "version": "1"}
    elif ask.get("method") == "tools/list":
        result = {"tools": [{"name": "touch", "description": "touch", "inputSchema": {"type": "object"}}]}
    else:
        result = {"content": []}
    if "id" in ask:
        print(json.dumps({"jsonrpc": "2.0", "id": ask["id"], "result": result}), flush=True)
"""


SKIPPED = re.compile("imagegen|wait|sleep|clock")
"""The picture's own tool, and those that only take time."""


class CallsEverything(DrawsSmall):
    """A first turn calls every tool, offered or not, to write a file outside; then the picture is drawn.

    So does each agent that could be spawned, but for the picture.
    """

    def __init__(self, outside):
        self.outside = outside
        self.offered = set()
        self.answers = {}

    def respond(self, call):
        request = call.json
        answered = [item for item in request["input"] if str(item.get("type")).endswith("_call_output")]
        self.answers |= {item["call_id"]: json.dumps(item["output"]) for item in answered}
        if answered:
            draws = prompt_of(request) == "a red fox" and "call_1" not in self.answers
            return turn_reply(self.call_tool(request) if draws else [message_item("Done.")])
        offered = [
            (space, tool) for space, tool in offered_tools(request) if not SKIPPED.search(tool.get("name", "wait"))
        ]
        self.offered |= {tool["name"] for _space, tool in offered}
        calls = [self._call(space, tool["name"], tool.get("type"), tool) for space, tool in offered]
        calls += [self._call(None, name, kind, {}) for name, kind in NOT_OFFERED if name not in self.offered]
        return turn_reply([{**call, "call_id": f"try_{n}", "id": f"fc_{n}"} for n, call in enumerate(calls)])

    def _call(self, space, name, kind, tool):
        if kind == "custom":
            return {**script_call({}), "name": name, "input": self._script() if name == "exec" else self._patch(name)}
        arguments = self._arguments(name) or self._by_schema(tool.get("parameters") or {}, name)
        call = {**function_call(arguments), "name": name, "namespace": space}
        return call if space else {key: value for key, value in call.items() if key != "namespace"}

    def _touch(self, name):
        return f"touch {self.outside}/{name}"

    def _arguments(self, name):
        words = self._touch(name).split()
        return {
            "shell": {"command": words},
            "container.exec": {"command": words},
            "shell_command": {"command": self._touch(name)},
            "exec_command": {"cmd": self._touch(name)},
            "apply_patch": {"input": self._patch(name)},
            "view_image": {"path": f"{self.outside}/secret.png"},
            "spawn_agent": {"message": self._touch(name), "task_name": "task"},
        }.get(name)

    def _by_schema(self, schema, name):
        """Some value for everything that a tool asks for."""
        filled = {"string": self._touch(name), "array": [self._touch(name)], "boolean": True, "object": {}}
        properties = schema.get("properties", {})
        return {key: filled.get(str(properties[key].get("type")), 1) for key in schema.get("required", [])}

    def _patch(self, name):
        return (
            f"*** Begin Patch\n*** Add File: {self.outside}/{name}\n+written\n"
            f"*** Update File: {self.outside}/secret.txt\n@@\n-secret\n+changed\n*** End Patch\n"
        )

    def _script(self):
        """A code-mode model's script that calls every tool that it finds, with every kind of argument."""
        known = {name: self._arguments(name) for name in ("shell_command", "exec_command", "view_image", "spawn_agent")}
        return (
            f"const known = {json.dumps(known)}; const patch = {json.dumps(self._patch('nested'))};\n"
            "for (const name of Object.keys(tools)) {\n"
            f"  if (/{SKIPPED.pattern}/.test(name)) continue;\n"
            "  for (const [key, value] of Object.entries(known)) if (name.endsWith(key)) {\n"
            "    try { await tools[name](value) } catch (e) { text(name + ': ' + e) } }\n"
            "  try { await tools[name](patch) } catch (e) { text(name + ': ' + e) }\n"
            "  try { await tools[name]({input: patch}) } catch (e) { text(name + ': ' + e) }\n"
            "  text('called ' + name);\n"
            "}\n"
            f"try {{ require('fs').writeFileSync('{self.outside}/script', '') }} catch (e) {{ text('' + e) }}\n"
        )


NOT_OFFERED = [
    ("shell", "function"), ("shell_command", "function"), ("exec_command", "function"), ("apply_patch", "custom"),
    ("apply_patch", "function"), ("view_image", "function"), ("spawn_agent", "function"),
    ("container.exec", "function"), ("toucher__touch", "function"), ("mcp__toucher__touch", "function"),
]  # fmt: skip


@pytest.fixture
def outside(tmp_path):
    """A folder that is none of Codex's business, and the MCP server that the user configured."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text("secret\n")
    (folder / "secret.png").write_bytes(encoded(48))
    (tmp_path / "server.py").write_text(SERVER)
    return folder


def world_of(lab, version, outside):
    extra = CONFIG.format(python=sys.executable, server=outside.parent / "server.py", outside=outside)
    world = lab(version, script=CallsEverything(outside), extra_config=extra)
    config = world.home / "config.toml"
    config.write_text(ALLOWED + config.read_text())
    return world


def touched(outside):
    """What was written outside."""
    new = {path.name for path in outside.iterdir()} - {"secret.txt", "secret.png"}
    return new | ({"secret.txt"} if (outside / "secret.txt").read_text() != "secret\n" else set())


@pytest.mark.parametrize(("version", "model"), checks.variants())
def test_run_whose_model_calls_every_tool_changes_nothing_outside_its_folder(lab, outside, version, model):
    world = world_of(lab, version, outside)
    done = world.call("--prompt", "a red fox", "--out", "fox.png", *checks.model_of(model))
    assert len(world.standin.script.answers) > 5  # the tools were called, and answered
    assert touched(outside) == set()
    assert [path.name for path in world.work.iterdir()] == ["fox.png"]
    assert (done.code, done.err) == (0, "")
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    checks.assert_clean(world)


@checks.NEWEST_FIRST
def test_bare_codex_with_the_same_calls_writes_outside(lab, outside, version):
    """The proof that the test above could fail."""
    world = world_of(lab, version, outside)
    world.run_argv([str(builds.codex(version)), "exec", "--skip-git-repo-check", "--json"], stdin=b"a red fox")
    assert {"mcp", "mcp-1", "secret.txt"} <= touched(outside)


def test_run_with_codex_arguments_keeps_its_sandbox(lab, outside):
    world = world_of(lab, builds.NEWEST, outside)
    lifts = [
        f"--codex-arg={word}" for word in ("-c", 'sandbox_mode="danger-full-access"', "-c", 'approval_policy="never"')
    ]
    world.call("--prompt", "a red fox", "--force", "--out", "fox.png", *lifts)
    assert len(world.standin.script.answers) > 5
    assert touched(outside) == set()
    done = world.call("--prompt", "a red fox", "--codex-arg=--sandbox", "--codex-arg=danger-full-access", "--json")
    checks.assert_reported(done, 5, "codex-failed")
    assert touched(outside) == set()


def test_run_with_servers_whose_names_need_quotes_starts_none(lab, outside):
    server = outside.parent / "server.py"
    extra = "".join(
        f'[mcp_servers."{name}"]\ncommand = "{sys.executable}"\nargs = ["{server}", "{outside}/mcp-{n}"]\n'
        for n, name in enumerate(["plain", "with-dash_1", "UPPER"])
    )
    world = lab(script=DrawsSmall(), extra_config=extra)
    done = world.call("--prompt", "a red fox", "--out", "fox.png")
    assert (done.code, done.err) == (0, "")
    assert touched(outside) == set()
