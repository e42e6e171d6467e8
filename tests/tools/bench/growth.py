"""The cost of a large history: a home with many old rollouts compared with an empty one, and the listed folders."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from tests.support.lab import Lab
from tests.tools.bench import pairs

DAYS = 300
_COUNTER = """
import os, sys
listed = []
home = os.path.realpath(os.environ["CODEX_HOME"])
sys.addaudithook(lambda name, args: listed.append(os.fspath(args[0])) if name in ("os.scandir", "os.listdir") else None)
from codex_imagegen.cli.main import run
code = run(sys.argv[1:])
inside = [path for path in listed if str(path).startswith(home)]
print(code, len(inside), len(set(inside)), file=sys.stderr)
"""


def fill(home: Path, rollouts: int) -> None:
    """Write old rollouts, spread over 300 days of the past."""
    for number in range(rollouts):
        moment = time.localtime(time.time() - 86_400 * (30 + number % DAYS))
        folder = home / "sessions" / time.strftime("%Y/%m/%d", moment)
        folder.mkdir(parents=True, exist_ok=True)
        thread = uuid.UUID(int=number + (0x7 << 76) + (0x2 << 62))
        stamp = time.strftime("%Y-%m-%dT%H-%M-%S", moment)
        meta = f'{{"timestamp":"{stamp}","type":"session_meta","payload":{{"id":"{thread}","cwd":"/x"}}}}\n'
        (folder / f"rollout-{stamp}-{thread}.jsonl").write_text(meta)


def growth(rounds: int, rollouts: int) -> Iterator[str]:
    """Measure this program in the full and in the empty home, after Codex has indexed both."""
    with pairs.lab(pairs.Timed(0.5, 0)) as full, pairs.lab(pairs.Timed(0.5, 0)) as empty:
        fill(full.home, rollouts)
        _warm(full)
        measured = pairs.paired(
            rounds,
            lambda: pairs.measure(full, pairs.ours(full, full.work / "fox.png")),
            lambda: pairs.measure(empty, pairs.ours(empty, empty.work / "fox.png")),
        )
        listed = [_listed(lab) for lab in (full, empty)]
    walls = [(a.wall, b.wall) for a, b in measured]
    import statistics

    ratio = statistics.median(a / b for a, b in walls)
    yield (
        f"\nA home with {rollouts:,} old rollouts: ratio {ratio:.3f} to an empty one "
        f"({statistics.median(a for a, _ in walls):.2f} s, {statistics.median(b for _, b in walls):.2f} s); "
        f"folders listed {listed[0]}, in the empty home {listed[1]}"
    )


def _warm(lab: Lab) -> None:
    """Let Codex index the home, until its runs become no faster."""
    last = float("inf")
    for _ in range(12):
        wall = pairs.measure(lab, pairs.bare(lab), pairs.PROMPT.encode()).wall
        if wall > 0.8 * last:
            return
        last = wall


def _listed(lab: Lab) -> str:
    line = pairs.ours(lab, lab.work / "fox.png")[1:]
    done = subprocess.run(
        [sys.executable, "-c", _COUNTER, *line], cwd=lab.work, env=lab.environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    _code, times, folders = done.stderr.split()[-3:]
    return f"{folders} ({times} times)"
