"""The Codex CLI: its command line, its process, its sessions folder and its rollouts. Blind to who asks and who writes."""
