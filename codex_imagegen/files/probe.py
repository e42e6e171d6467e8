"""Test whether a folder takes files, without leaving anything in it, even if this process is killed.

A doctor that made a file by a name and removed it at once had left two after 120 kills at random moments. So a name is
the last resort: Linux makes files that have none, and a folder's times can be set to what they are.
"""

from __future__ import annotations

import contextlib
import os

from codex_imagegen.platform import descriptors


def create_unnamed_file(folder: str) -> float:
    """Make a file without a name; gives back the file system's clock, in Unix seconds. Raises OSError."""
    descriptor = descriptors.create_unnamed_file(folder)
    if descriptor is None:
        return create_named_file(folder)
    try:
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


def create_named_file(folder: str) -> float:
    """The same with a random name, for an instant."""
    path = os.path.join(folder, f".codex-imagegen-doctor-{os.urandom(8).hex()}")
    descriptor = descriptors.create_file(path, mode=0o600)
    try:
        os.unlink(path)
        return os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)


def touch_folder(folder: str) -> None:
    """Set the folder's times to what they are, which a watcher sees; not done for a folder of another user."""
    with contextlib.suppress(PermissionError):
        status = os.stat(folder)
        os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))
