"""Recovers pictures of past sessions: finds them, checks that they are intact, and writes them; nothing is spent."""
