"""The main figures: one picture, this program and ``codex exec``; and twelve pictures at once."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Iterator

from codex_imagegen.codex import features
from tests.support.lab import Lab
from tests.tools.bench import pairs


def headline(rounds: int, draw_sec: float, closing_sec: float) -> Iterator[str]:
    """Measure a picture that takes ``draw_sec``, and a closing turn of ``closing_sec``."""
    with pairs.lab(pairs.Timed(draw_sec, closing_sec)) as lab:
        out = lab.work / "fox.png"
        measured = pairs.paired(
            rounds,
            lambda: pairs.measure(lab, pairs.ours(lab, out)),
            lambda: pairs.measure(lab, pairs.bare(lab), pairs.PROMPT.encode()),
        )
    yield from pairs.table(f"A picture of {draw_sec:g} s, a closing turn of {closing_sec:g} s", measured)


def twelve(rounds: int) -> Iterator[str]:
    """Measure twelve runs at once in one home, and twelve bare Codex with the same switches."""
    with pairs.lab(pairs.Timed(2, 2)) as lab:
        ratios, walls = [], []
        for round_ in range(rounds + 1):
            ours = _at_once(lab, [pairs.ours(lab, lab.work / f"{n}.png") for n in range(12)])
            bare = _at_once(lab, [pairs.bare(lab, *features.build_settings()) for _ in range(12)])
            if round_:
                ratios.append(ours / bare)
                walls.append((ours, bare))
    left, right = (statistics.median(side) for side in zip(*walls, strict=True))
    ratio = statistics.median(ratios)
    yield f"\nTwelve at once: {left:.2f} s, bare with the same switches {right:.2f} s, ratio {ratio:.3f}"


def _at_once(lab: Lab, lines: list[list[str]]) -> float:
    began = time.perf_counter()
    running = []
    for line in lines:
        process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=lab.work,
            env=lab.environment,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(pairs.PROMPT.encode())
        process.stdin.close()
        running.append(process)
    codes = [process.wait(timeout=120) for process in running]
    assert codes == [0] * len(lines), codes
    return time.perf_counter() - began
