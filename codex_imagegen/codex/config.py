"""The one thing that is read of the user's config.toml: the names of the MCP servers, so that they can be left off."""

from __future__ import annotations

import os

MAX_BYTES = 4 * 1024 * 1024


def servers(codex_home: str) -> tuple[str, ...]:
    """The names of the configured MCP servers. A config that can't be read costs the switch, not the run: none then."""
    try:
        with open(os.path.join(codex_home, "config.toml"), "rb") as file:
            text = file.read(MAX_BYTES)
    except OSError:
        return ()
    if b"mcp_servers" not in text:
        return ()  # spares the import, for most users
    import tomllib

    try:
        tables = tomllib.loads(text.decode()).get("mcp_servers")
    except (ValueError, RecursionError):
        return ()
    return tuple(name for name, table in tables.items() if isinstance(table, dict)) if isinstance(tables, dict) else ()
