"""One fault after another, through the installed command with the real Codex."""
