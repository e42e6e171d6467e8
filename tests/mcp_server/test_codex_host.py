"""Codex as the host of the server, with the configuration of docs/mcp.md, and as the Codex that draws below it."""

from __future__ import annotations

import json
import subprocess

import pytest

from codex_imagegen.demo.fake_openai import message_item, turn_reply
from tests.mcp_server.test_docs import CONFIGS, PAGE
from tests.support import builds, checks
from tests.support.checks import DrawsSmall, small_png
from tests.support.lab import COMMAND

pytestmark = pytest.mark.real
HOST = "draw me a fox, host"
CALLS = [{"prompt": "a red fox", "out": "fox.png"}, {"prompt": "an owl", "out": "owl.png"}]


class Hosted(DrawsSmall):
    """The host's model calls our tool for two pictures; the model below the server draws foxes only."""

    def __init__(self):
        self.offered, self.answers = [], []

    def respond(self, call):
        request = call.json
        if HOST not in json.dumps(request["input"]):
            return super().respond(call)
        self.answers = [item["output"] for item in request["input"] if item.get("type") == "function_call_output"]
        if len(self.answers) == len(CALLS):
            return turn_reply([message_item("Done.")])
        (space,) = [tool for tool in request["tools"] if tool.get("name") == "mcp__images"]
        self.offered = [tool["name"] for tool in space["tools"]]
        number = len(self.answers)
        return turn_reply(
            [
                {
                    "type": "function_call", "name": "generate_image", "namespace": "mcp__images",
                    "call_id": f"call_{number}", "arguments": json.dumps(CALLS[number]),
                }
            ]
        )  # fmt: skip

    def draw(self, prompt):
        return super().draw(prompt) if "fox" in prompt else b""


def run_host(world):
    """Run ``codex exec`` with the page's configuration, and its additions for ``codex exec``."""
    (config,) = [text for kind, text in CONFIGS if kind == "toml"]
    config = config.replace("/home/me/pictures", str(world.work)).replace('"codex-imagegen"', json.dumps(COMMAND))
    config = config.replace('"mcp", ', f'"mcp", "--codex", {json.dumps(str(builds.codex(world.version)))}, ')
    for line in ("required = true", 'default_tools_approval_mode = "approve"'):
        assert f"`{line}`" in PAGE
        config += f"{line}\n"
    environment = "".join(f"{name} = {json.dumps(value)}\n" for name, value in world.environment.items())
    with (world.home / "config.toml").open("a") as file:
        file.write(f"\n{config}\n[mcp_servers.images.env]\n{environment}")
    argv = [str(builds.codex(world.version)), "exec", "--skip-git-repo-check", "--json", "-m", builds.FUNCTION_MODEL]
    done = subprocess.run(
        argv, input=HOST.encode(), capture_output=True, cwd=world.work, env=world.environment, timeout=90, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_codex_as_host_gets_a_picture_and_a_failure(lab):
    script = Hosted()
    world = lab(script=script)
    run_host(world)
    assert {"generate_image", "edit_image", "recover_image"} <= set(script.offered)
    drawn, failed = (json.dumps(answer) for answer in script.answers)
    assert str(world.work / "fox.png") in drawn
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    assert "recover_image" in failed
    assert "codex-imagegen recover" not in failed
    checks.assert_clean(world)
