"""Read the names of MCP servers, to switch them off, and the model provider from the user's config.toml."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from codex_imagegen.values import as_object, as_text

MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Provider:
    """A custom model provider: its name, and whether Codex sends it OpenAI's login."""

    name: str
    takes_login: bool


def read_mcp_servers(codex_home: str) -> tuple[str, ...]:
    """The names of the configured MCP servers; none where the config can't be read, so that the run goes on."""
    tables = _config(codex_home, b"mcp_servers").get("mcp_servers")
    return tuple(name for name, table in as_object(tables).items() if isinstance(table, dict))


def read_provider(codex_home: str) -> Provider | None:
    """The provider that replaces OpenAI, or None where there is none or the config can't be read.

    Profiles are ignored: from 0.134.0 on config.toml selects none, and older builds offer their tool with any
    provider.
    """
    config = _config(codex_home, b"model_provider")
    name, tables = as_text(config.get("model_provider")), as_object(config.get("model_providers"))
    if name is None or name == "openai":
        return None
    return Provider(name, as_object(tables.get(name)).get("requires_openai_auth") is True)


def _config(codex_home: str, mark: bytes) -> dict[str, Any]:
    """Parse the config; empty if it can't be read or lacks the mark, so that most users need no import of tomllib."""
    try:
        with open(os.path.join(codex_home, "config.toml"), "rb") as file:
            text = file.read(MAX_BYTES)
    except OSError:
        return {}
    if mark not in text:
        return {}
    import tomllib

    try:
        return tomllib.loads(text.decode())
    except (ValueError, RecursionError):
        return {}
