"""Runs without an account: a local stand-in for OpenAI, a temporary Codex home, and a fake Codex."""
