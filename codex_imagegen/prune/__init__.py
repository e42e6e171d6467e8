"""What our own runs have left in Codex's home: counted, and removed when that is asked for; nobody else's, ever."""
