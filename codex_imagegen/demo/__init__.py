"""Runs without an account: a fake OpenAI, a temporary Codex home, and a fake Codex."""
