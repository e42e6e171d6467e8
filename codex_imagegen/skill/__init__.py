"""The skill for agents: its text, and where it is installed."""
