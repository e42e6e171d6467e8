"""The skill for agents: its text, where the agents look for it, and a folder of theirs that takes it."""
