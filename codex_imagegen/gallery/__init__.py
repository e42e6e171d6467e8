"""One page of every picture that a Codex home holds: collected from its sessions, remembered in an index, and drawn."""
