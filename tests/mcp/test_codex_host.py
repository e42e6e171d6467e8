"""Codex as the host of the server, by what docs/mcp.md has to paste; and Codex below the server, which draws."""

from __future__ import annotations

import json
import subprocess

import pytest

from codex_imagegen.demo.standin import said, stream
from tests.mcp.test_docs import CONFIGS, PAGE
from tests.support import builds, checks
from tests.support.checks import Small, made
from tests.support.lab import COMMAND

pytestmark = pytest.mark.real
HOST = "draw me a fox, host"


class Hosted(Small):
    """The host's model calls our tool, and then says what it was answered; the other's draws."""

    def __init__(self, arguments):
        self.arguments, self.offered, self.answers = arguments, [], []

    def respond(self, call):
        request = call.json
        if HOST not in json.dumps(request["input"]):
            return super().respond(call)
        outputs = [item["output"] for item in request["input"] if item.get("type") == "function_call_output"]
        if outputs:
            self.answers = outputs
            return stream([said("Done.")])
        (space,) = [tool for tool in request["tools"] if tool.get("name") == "mcp__images"]
        self.offered = [tool["name"] for tool in space["tools"]]
        return stream(
            [
                {
                    "type": "function_call", "name": "generate_image", "namespace": "mcp__images", "call_id": "call_1",
                    "arguments": json.dumps(self.arguments),
                }
            ]
        )  # fmt: skip


def host(world):
    """Run ``codex exec`` with the page's configuration, and what it says on ``codex exec`` as well."""
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


def test_its_model_has_a_picture_made(lab):
    script = Hosted({"prompt": "a red fox", "out": "fox.png"})
    world = lab(script=script)
    host(world)
    assert {"generate_image", "edit_image", "recover_image"} <= set(script.offered)
    assert str(world.work / "fox.png") in json.dumps(script.answers)
    assert (world.work / "fox.png").read_bytes() == made("a red fox")
    checks.assert_clean(world)


def test_its_model_is_told_of_a_failure_and_what_to_do(lab):
    class Blocked(Hosted):
        def draw(self, _prompt):
            return b""

    script = Blocked({"prompt": "a red fox", "out": "fox.png"})
    world = lab(script=script)
    host(world)
    told = json.dumps(script.answers)
    assert "recover_image" in told
    assert "codex-imagegen recover" not in told
    checks.assert_clean(world)
