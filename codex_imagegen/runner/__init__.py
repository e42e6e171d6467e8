"""Several pictures at once: the engine that ``--count`` and ``batch`` share, and its rules."""
