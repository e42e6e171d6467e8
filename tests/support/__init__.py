"""Shared by the tests: the real Codex builds, a back end on loopback, and the installed command."""
