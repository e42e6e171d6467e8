"""``python -m codex_imagegen``, and the ``codex-imagegen`` command."""

from __future__ import annotations

import contextlib
import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    _open_streams()
    try:
        from codex_imagegen.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # before our own handlers stood
        code = 130
    _leave(code)


def _open_streams() -> None:
    """Open what we were started without of stdin, stdout and stderr, on nothing.

    The next file to be opened would take that number: a journal that Python writes its last words to, or a lock that
    Codex should inherit and has its own stream in the place of.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            from codex_imagegen.platform import opening

            with contextlib.suppress(OSError):  # the lowest number that is free is this one
                os.set_inheritable(opening.open_null(), True)


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
