"""The test command, ``python -m tests``: every check in order, the cheap ones first; the first that fails ends it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

STEPS = (
    ("ruff", [str(BIN / "ruff"), "check", "."]),
    ("format", [str(BIN / "ruff"), "format", "--check", "."]),
    ("mypy", [str(BIN / "mypy")]),
    ("imports", [str(BIN / "lint-imports")]),
    ("pytest", [sys.executable, "-m", "pytest", "-q", "-n", "4", "--dist", "worksteal"]),
)

COVERAGE = "CODEX_IMAGEGEN_COVERAGE"
"""Set by CI: what pytest runs and starts is measured into ``.coverage``, which takes half as much time again."""


def main() -> int:
    """Run the steps; arguments go to pytest."""
    measure = ["--cov", "--cov-append", "--cov-report="] if os.environ.get(COVERAGE) else []
    for name, command in STEPS:
        began = time.monotonic()
        more = [*measure, *sys.argv[1:]] if name == "pytest" else []
        code = subprocess.run([*command, *more], cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}, check=False).returncode
        print(f"{name}: {'ok' if code == 0 else f'failed ({code})'} in {time.monotonic() - began:.1f} s", flush=True)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
