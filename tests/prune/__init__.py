"""What past runs take on disk, and its removal: on homes that real builds of Codex made, and on made-up ones."""
