"""The installed Codex: where it is, which version, how it is configured and logged in."""
