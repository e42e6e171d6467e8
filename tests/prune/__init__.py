"""The command ``prune``, in homes that real builds of Codex made and in hand-written ones."""
