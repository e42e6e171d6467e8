"""The benchmark, ``python -m tests.tools.bench``: compares this program with bare ``codex exec``.

Both do the same task alternately, and use the newest real Codex and the same fake OpenAI on loopback. Every figure is a
median of paired rounds, and the ratio is the median of the pairs' ratios. Tests never check durations, only counts.
"""
