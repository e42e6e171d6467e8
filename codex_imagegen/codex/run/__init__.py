"""One run of Codex: its command line, process, private folders, and the records that it writes meanwhile."""
