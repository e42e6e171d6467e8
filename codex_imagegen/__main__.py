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

        code = run(sys.argv[1:], exits=True)
    except KeyboardInterrupt:  # before our signal handlers were installed
        code = 130
    _exit(code)


def _open_streams() -> None:
    """Open /dev/null for each of stdin, stdout and stderr that the program was started without.

    Otherwise the next file to be opened takes that descriptor: the journal, into which Python would write messages, or
    the lock, which Codex would not inherit.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            from codex_imagegen.platform import descriptors

            with contextlib.suppress(OSError):  # open() takes the lowest free descriptor, which is this one
                os.set_inheritable(descriptors.open_null(), True)


def _exit(code: int) -> None:
    """Exit without the interpreter's shutdown, which takes 15 ms; nothing is left to clean up."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (
            OSError,
            ValueError,
            AttributeError,
        ):  # closed, or its pipe is: reported earlier if it matters
            pass
    os._exit(code)


if __name__ == "__main__":
    main()
