"""Advisory locks on open files and folders; the system frees them when the last descriptor is closed."""

from __future__ import annotations

import fcntl


def lock(descriptor: int, *, shared: bool = False) -> None:
    """Lock an open file or folder, without waiting. A child process that inherits the descriptor shares the lock.

    Raises BlockingIOError where somebody else holds a conflicting lock, and another OSError where the file system has
    no locks.
    """
    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
