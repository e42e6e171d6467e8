"""The installed Codex: its path, version, configuration and login."""
