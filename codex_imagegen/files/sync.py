"""Bytes that must survive a loss of power."""

from __future__ import annotations

import fcntl
import os
from typing import IO


def flush(file: IO[bytes]) -> None:
    """Bring what was written to an open file to the disk."""
    file.flush()
    sync(file.fileno())


def sync(descriptor: int) -> None:
    """Bring a file, or the names in a folder, to the disk; raises OSError where that fails.

    On macOS ``fsync`` ends when the drive has the bytes in its own buffer; ``F_FULLFSYNC`` waits until that is empty
    (fsync(2) there). File systems that don't know it, such as SMB and some of FUSE, refuse it: ``fsync`` has to do.
    """
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(descriptor, full)
            return
        except OSError:
            pass  # whatever it was, the fsync below meets it too if it is more than a missing F_FULLFSYNC
    os.fsync(descriptor)
