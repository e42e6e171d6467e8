"""MCP Inspector's command line from npm, with a Node for it: installed once, beside the Codex builds."""

from __future__ import annotations

import json
from typing import Any

from tests.support import builds
from tests.support.lab import Lab, Outcome

VERSION, NODE = "2.12.0", "22.23.3"
"""They belong together: this Inspector needs Node 22.19 or newer."""


def run(world: Lab, *arguments: str, options: tuple[str, ...] = ()) -> Outcome:
    """Run it on this program's server, which it starts from a configuration file, as hosts do."""
    command, *args = world.argv("mcp", *options)
    server = {"command": command, "args": args, "env": world.environment, "cwd": str(world.work)}
    config = world.tmp / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {"images": server}}))
    folders = [_bin("@modelcontextprotocol/inspector", VERSION), _bin("node", NODE)]
    argv = [f"{folders[0]}/mcp-inspector", "--cli", "--config", str(config), "--server", "images", *arguments]
    path = ":".join([*folders, world.environment["PATH"]])
    return world.run_argv(argv, env={"PATH": path, "MCP_INSPECTOR_SECRET_STORE": "memory"})


def answer(done: Outcome) -> Any:
    """The JSON that it printed."""
    return json.loads(done.out)


def _bin(name: str, version: str) -> str:
    modules = next(path for path in builds.npm_package(name, version).parents if path.name == "node_modules")
    return str(modules / ".bin")
