"""``python -m codex_imagegen``, and the ``codex-imagegen`` command."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from codex_imagegen.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before our own handlers stood
        code = 130
    _leave(code)


def _leave(code: int) -> None:
    """Exit at once: nothing is left to clean up, and taking an interpreter apart takes 15 ms."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, or its reader has gone: told already where it matters
            pass
    os._exit(code)


if __name__ == "__main__":
    main()
