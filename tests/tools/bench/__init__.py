"""The benchmark, ``python -m tests.tools.bench``: this program beside bare ``codex exec``, in turn, on the same work.

Both talk to the same loopback stand-in, with the real newest Codex; every figure is a median of paired rounds, and the
ratio is that of each pair. No test looks at a time: the suite asserts counts alone.
"""
