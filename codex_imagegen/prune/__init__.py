"""Measures and removes the sessions that this program's own runs left in the Codex home, and no other sessions."""
