"""One run of Codex: its command line, its private folder, its output, and the rollout that it writes."""
