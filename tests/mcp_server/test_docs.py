"""docs/mcp.md: its configurations for hosts start a server, and its statements about the tools are true."""

from __future__ import annotations

import json
import tomllib

from codex_imagegen.mcp_server import settings
from tests.support import docs

PAGE = docs.page("docs/mcp.md").text
CONFIGS = docs.page("docs/mcp.md").marked("config")
KEYS = {"mcpServers", "servers", "mcp_servers"}


def servers():
    for kind, text in CONFIGS:
        config = json.loads(text) if kind == "json" else tomllib.loads(text)
        ((key, named_servers),) = config.items()
        yield key, named_servers["images"]


def test_page_has_a_configuration_for_each_host():
    assert {key for key, _server in servers()} == KEYS
    for host in ("Claude Code", "Claude\nDesktop", "Cursor", "VS Code", "Codex"):
        assert f"**{host}**" in PAGE


def test_configurations_start_the_server_that_codex_starts():
    """Codex itself starts one from the page in test_codex_host.py; the others have the same command and arguments."""
    (codex,) = [server for key, server in servers() if key == "mcp_servers"]
    for _key, server in servers():
        assert (server["command"], server["args"]) == (codex["command"], codex["args"])
    assert codex["command"] == "codex-imagegen"
    assert codex["args"] == ["mcp", "--root", "/home/me/pictures"]


def test_page_names_every_tool_and_instructions_name_recovery(server):
    server.client.send("tools/list", id="tools")
    names = [tool["name"] for tool in server.client.wait_answer("tools")["result"]["tools"]]
    assert len(names) >= 4
    assert all(f"`{name}`" in PAGE for name in names)
    assert "recover_image" in server.instructions


def test_page_has_the_numbers_of_the_program():
    assert f"{settings.PREVIEW_KB} KB" in PAGE
    assert "Four calls" in PAGE
    assert settings.JOBS == 4
