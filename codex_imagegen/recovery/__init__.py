"""Recover pictures of past sessions: find, decode and write them; nothing is spent."""
