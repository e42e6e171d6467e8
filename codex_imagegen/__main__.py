"""``python -m codex_imagegen``, and the ``codex-imagegen`` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from codex_imagegen.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before our own handlers stood
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
