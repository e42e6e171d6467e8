"""The time from the program's exec to Codex's exec, and that of --help."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.lab import COMMAND


def startup(rounds: int) -> Iterator[str]:
    """Measure with a Codex that only writes down its start, and compare with bare Python and ``import click``."""
    with tempfile.TemporaryDirectory(prefix="codex-imagegen-bench-") as folder:
        note, codex = Path(folder) / "note", Path(folder) / "codex"
        codex.write_text(f'#!/bin/sh\ndate +%s.%N > "{note}"\n')
        codex.chmod(0o755)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "CODEX_HOME": folder}
        spans = [_until_codex(codex, note, environment, folder) for _ in range(rounds + 1)][1:]
        help_ = [_wall([COMMAND, "--help"]) for _ in range(rounds + 1)][1:]
        bare = [_wall([sys.executable, "-c", ""]) for _ in range(rounds + 1)][1:]
        click = [_wall([sys.executable, "-c", "import click"]) for _ in range(rounds + 1)][1:]
    middle = [f"{statistics.median(times) * 1000:.0f} ms" for times in (spans, help_, bare, click)]
    yield f"\nOur exec to Codex's exec {middle[0]}, --help {middle[1]}; bare Python {middle[2]}, with click {middle[3]}"


def _until_codex(codex: Path, note: Path, environment: dict[str, str], folder: str) -> float:
    began = time.time()
    line = [COMMAND, "--prompt", "x", "--codex", str(codex), "--out", str(Path(folder) / "x.png")]
    subprocess.run(line, env=environment, capture_output=True, check=False)
    return float(note.read_text()) - began


def _wall(line: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(line, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began
