"""The test command, ``python -m tests``: runs the checks, then the tests, up to the first failure.

Arguments go to pytest: ``python -m tests --every-build``, ``python -m tests tests/cli``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PYTEST = (sys.executable, "-m", "pytest", "-q")

CHECKS = (
    ("ruff", (str(BIN / "ruff"), "check", ".")),
    ("format", (str(BIN / "ruff"), "format", "--check", ".")),
    ("imports", (str(BIN / "lint-imports"),)),
    ("mypy", (str(BIN / "mypy"),)),
)
WORKERS = ("-n", "4", "--dist", "worksteal")

COVERAGE = "CODEX_IMAGEGEN_COVERAGE"
"""Set by CI: measure the coverage of the tests and their child processes, which takes half as much time again."""


def main() -> int:
    """Run the checks and the tests."""
    # compile the test modules once, while mypy uses one core: otherwise each worker compiles them (5 s each)
    compiling = subprocess.Popen(
        [*PYTEST, "--collect-only"], cwd=ROOT, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    code = next((code for name, command in CHECKS if (code := _run(name, command))), 0)
    compiling.wait()
    measure = ["--cov", "--cov-append", "--cov-report="] if os.environ.get(COVERAGE) else []
    return code or _run("pytest", (*PYTEST, *WORKERS, *measure, *sys.argv[1:]))


def _run(name: str, command: tuple[str, ...]) -> int:
    started = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=_environment(), check=False).returncode
    print(f"{name}: {'ok' if code == 0 else f'failed ({code})'} in {time.monotonic() - started:.1f} s", flush=True)
    return code


def _environment() -> dict[str, str]:
    """The environment with plain output, and with bytecode caching: otherwise every worker compiles all modules."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "NO_COLOR": "1"}


if __name__ == "__main__":
    sys.exit(main())
