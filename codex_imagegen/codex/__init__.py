"""The Codex CLI: its command line, process, sessions folder and rollouts. Blind to who asks and who writes."""
