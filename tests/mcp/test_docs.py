"""docs/mcp.md: what it has for hosts to paste starts a server, and what it says of tools is true."""

from __future__ import annotations

import json
import tomllib

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from codex_imagegen.server import settings
from tests.mcp import hosts
from tests.support import docs
from tests.support.lab import COMMAND

PAGE = docs.page("docs/mcp.md").text
CONFIGS = docs.page("docs/mcp.md").marked("config")
KEYS = {"mcpServers", "servers", "mcp_servers"}


def servers():
    for kind, text in CONFIGS:
        config = json.loads(text) if kind == "json" else tomllib.loads(text)
        ((key, found),) = config.items()
        yield key, found["images"]


def test_there_is_one_for_each_host():
    assert {key for key, _server in servers()} == KEYS
    for host in ("Claude Code", "Claude\nDesktop", "Cursor", "VS Code", "Codex"):
        assert f"**{host}**" in PAGE


@pytest.mark.parametrize(("key", "server"), list(servers()))
def test_what_is_to_be_pasted_starts_a_server(lab, key, server):
    world = lab()
    assert server["command"] == "codex-imagegen"
    args = [str(world.work) if arg == "/home/me/pictures" else arg for arg in server["args"]]
    started = StdioServerParameters(command=COMMAND, args=args, env=world.environment)

    async def main():
        with anyio.fail_after(hosts.LIMIT_SEC):
            async with Client(stdio_client(started)) as client:
                return [tool.name for tool in (await client.list_tools()).tools], client.instructions

    names, instructions = hosts.run(main)
    assert all(f"`{name}`" in PAGE for name in names)
    assert "recover_image" in instructions


def test_its_numbers_are_those_of_the_program():
    assert f"{settings.PREVIEW_KB} KB" in PAGE
    assert "Four calls" in PAGE
    assert settings.JOBS == 4
