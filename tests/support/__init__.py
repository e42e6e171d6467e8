"""What the tests share: the real Codex builds, a loopback back end, and the installed command."""
