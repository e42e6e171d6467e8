"""One HTML page of all pictures in a Codex home, collected from its sessions and cached in an index."""
