"""Starts a command with restrictions: without root's capabilities, or with a limit on file sizes.

Run as a script: its own process becomes the command::

    python restricted.py [--powerless] [--file-bytes N] [--hard] -- COMMAND ARGUMENT…
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import signal

_PR_CAPBSET_DROP = 24  # linux/prctl.h
_LAST_CAPABILITY = 63


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--powerless", action="store_true", help="enforce file permissions for root as well")
    parser.add_argument("--file-bytes", type=int, help="the largest size of a file (beyond it: SIGXFSZ, or EFBIG)")
    parser.add_argument("--hard", action="store_true", help="the command may not raise that limit")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    if given.powerless and os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in range(_LAST_CAPABILITY + 1):
            # exec does not restore a dropped capability, not even for root
            prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if given.file_bytes:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # a compiled module that is cut off would fail every later import
        _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and the command would inherit that
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.file_bytes, given.file_bytes if given.hard else hard))
    os.execvp(given.command[0], given.command)


if __name__ == "__main__":
    main()
