"""``python -m tests.tools.load_batch [JOBS]``: measures the memory of a long batch, with the demo's fake Codex.

Prints the batch's own resident memory while it runs (Linux), its peak, and the time per job; exits with 1 above 150 MB.
The fake Codex draws small pictures, so that this measures the batch and not the drawing; ``--side`` sets their size.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIMIT_MB = 150
COMMAND = str(Path(sys.executable).parent / "codex-imagegen")


def main() -> int:
    """Run the measurement; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=int, nargs="?", default=2000)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--limit-sec", type=float, default=3600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="load-batch-") as folder:
        return _measure(Path(folder), given)


def _measure(folder: Path, given: argparse.Namespace) -> int:
    (folder / "jobs.txt").write_text("".join(f"picture number {n} {'x' * 200}\n" for n in range(given.jobs)))
    began = time.monotonic()
    with (folder / "paths.txt").open("wb") as paths, (folder / "errors.txt").open("wb") as errors:
        batch = subprocess.Popen(
            [COMMAND, "batch", "jobs.txt", "--out-dir", "out", "--jobs", str(given.at_once), "--codex", _codex(folder)],
            cwd=folder, stdin=subprocess.DEVNULL, stdout=paths, stderr=errors, env=_environment(folder, given.side),
        )  # fmt: skip
        peak = _watch(batch, folder / "paths.txt", given, began)
    seconds, made = time.monotonic() - began, len(list((folder / "out").glob("*.png")))
    print(
        f"{made} of {given.jobs} pictures in {seconds:.0f} s ({seconds / given.jobs:.3f} s each), exit {batch.wait()}"
    )
    print(f"journal {(folder / 'out/.codex-imagegen-batch.jsonl').stat().st_size / 1e6:.1f} MB, peak {peak:.1f} MB")
    print((folder / "errors.txt").read_text()[:2000], end="")
    return 0 if made == given.jobs and batch.returncode == 0 and peak < LIMIT_MB else 1


def _watch(batch: subprocess.Popen[bytes], paths: Path, given: argparse.Namespace, began: float) -> float:
    """The peak of the process's resident memory in MB (1 MB is 1,000,000 bytes); prints it ten times meanwhile."""
    peak, shown = 0.0, -1
    while batch.poll() is None and time.monotonic() - began < given.limit_sec:
        status = Path(f"/proc/{batch.pid}/status").read_text()
        peak = max(peak, _kilobytes(status, "VmHWM") * 1.024e-3)
        ended = paths.read_bytes().count(b"\n")
        if ended * 10 // given.jobs > shown:
            shown = ended * 10 // given.jobs
            now, threads = _kilobytes(status, "VmRSS") * 1.024e-3, _kilobytes(status, "Threads")
            print(f"{time.monotonic() - began:6.0f} s  {ended:6} jobs  {now:6.1f} MB  {threads} threads", flush=True)
        time.sleep(0.25)
    batch.terminate()
    return peak


def _kilobytes(status: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
    return int(found[1]) if found else 0


def _codex(folder: Path) -> str:
    path = folder / "codex"
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m codex_imagegen.demo.fake_codex "$@"\n')
    path.chmod(0o755)
    return str(path)


def _environment(folder: Path, side: int) -> dict[str, str]:
    for name in ("home", "tmp"):
        (folder / name).mkdir()
    own = {"HOME": folder / "home", "CODEX_HOME": folder / "home/.codex", "TMPDIR": folder / "tmp"}
    small = {"CODEX_IMAGEGEN_FAKE_CODEX_SIDE": str(side), "PYTHONDONTWRITEBYTECODE": "1"}
    return {"PATH": os.environ["PATH"], **{name: str(path) for name, path in own.items()}, **small}


if __name__ == "__main__":
    sys.exit(main())
