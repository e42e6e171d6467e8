"""What is switched off for the length of a run: everything that a picture does not need."""

from __future__ import annotations

import json
from collections.abc import Sequence

FEATURES_OFF = (
    "shell_tool", "unified_exec", "apps", "plugins", "goals", "multi_agent", "tool_suggest", "skill_search", "hooks",
    "shell_snapshot", "browser_use", "computer_use", "in_app_browser", "sleep_tool", "memories",
    "workspace_dependencies", "remote_plugin", "view_image",
)  # fmt: skip
SETTINGS = (
    'web_search="disabled"',
    "project_doc_max_bytes=0",
    "skills.include_instructions=false",
    "include_permissions_instructions=false",
    "include_environment_context=false",
)


def settings(servers: Sequence[str] = ()) -> tuple[str, ...]:
    """The ``-c`` settings of a lean turn; ``servers`` are names of MCP servers in the user's config.toml."""
    off = tuple(f"features.{name}=false" for name in FEATURES_OFF)
    return (*off, *SETTINGS, *(f"mcp_servers.{json.dumps(name)}.enabled=false" for name in servers))
