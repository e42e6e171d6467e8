"""How often Codex makes a second model call before it is stopped: on each build, with and without file events."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support import builds
from tests.support.lab import Lab
from tests.tools.bench import pairs

MB = 1_000_000
SIZES = (1.5 * MB, 4.5 * MB)
"""Bytes of a PNG; with these pixels it can't have more than 4.7 MB."""


def calls(rounds: int, versions: tuple[str, ...] = builds.BUILDS) -> Iterator[str]:
    """Count runs with a second model call, and failed runs: ``rounds`` for each build, model, size and delay, with and
    without file events.
    """
    yield f"\nRuns with a second model call ({rounds} rounds of each)\n"
    yield "| build | model | picture | drawn in | with file events | without |"
    yield "|---|---|---|---|---|---|"
    for version in versions:
        models = (None, builds.FUNCTION_MODEL) if builds.number(version) >= (0, 144) else (None,)
        for model in models:
            for size in SIZES:
                for draw_sec in (0.0, 1.0):
                    counts = [_second_calls(version, model, size, draw_sec, rounds, on) for on in (True, False)]
                    row = [version, model or "default", f"{size / MB:g} MB", f"{draw_sec:g} s", *counts]
                    yield f"| {' | '.join(row)} |"


def _second_calls(version: str, model: str | None, size: float, draw_sec: float, rounds: int, events: bool) -> str:
    script = pairs.Timed(draw_sec, 0)
    script.picture_bytes = pairs.picture(int(size))
    with pairs.lab(script, version=version) as lab, without_file_events() as blind:
        done = [_run(lab, model, {} if events else blind) for _ in range(rounds + 1)][1:]
    seconds, failed = sum(count > 1 for count in done), sum(count == 0 for count in done)
    return f"{seconds} of {rounds}" + (f", {failed} failed" if failed else "")


def _run(lab: Lab, model: str | None, environment: Mapping[str, str]) -> int:
    """The model calls of one run; 0 if it did not deliver the drawn picture."""
    before, out = lab.model_calls, lab.work / "fox.png"
    done = lab.run("--prompt", pairs.PROMPT, "--out", str(out), "--force", *_model_option(model), env=environment)
    is_delivered = done.code == 0 and out.read_bytes() == lab.standin.script.draw("")
    return lab.model_calls - before if is_delivered else 0


def _model_option(model: str | None) -> list[str]:
    return [] if model is None else ["--model", model]


@contextmanager
def without_file_events() -> Iterator[dict[str, str]]:
    """An environment in which watchdog can't be imported, as on a system without file events."""
    with tempfile.TemporaryDirectory(prefix="codex-imagegen-bench-") as folder:
        (Path(folder) / "watchdog.py").write_text("raise ImportError\n")
        yield {"PYTHONPATH": folder}
