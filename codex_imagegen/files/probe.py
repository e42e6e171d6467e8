"""Test whether a folder is writable, without leaving a file in it, even if this process is killed.

A file with a name is the last resort: created and removed at once, it was left behind by two of 120 doctors that were
killed at random moments. Linux has files without a name, and a folder's times can be set to the same values.
"""

from __future__ import annotations

import contextlib
import os

from codex_imagegen.platform import descriptors


def create_unnamed_file(folder: str) -> float:
    """Create a file without a name; returns the file system's time, in Unix seconds. Raises OSError."""
    descriptor = descriptors.create_unnamed_file(folder)
    if descriptor is None:
        return create_named_file(folder)
    try:
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


def create_named_file(folder: str) -> float:
    """Create a file with a random name and remove it at once; returns the same."""
    path = os.path.join(folder, f".codex-imagegen-doctor-{os.urandom(8).hex()}")
    descriptor = descriptors.create_file(path, mode=0o600)
    try:
        os.unlink(path)
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


def touch_folder(folder: str) -> None:
    """Set the folder's times to the same values, which a watcher sees; does nothing in a folder of another user."""
    with contextlib.suppress(PermissionError):
        status = os.stat(folder)
        os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))
