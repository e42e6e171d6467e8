"""Several runs at once: the engine of ``--count`` and ``batch``, with its pauses and stop rules."""
