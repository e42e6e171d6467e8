"""Disks and file systems: flush to disk, rename without replacing, free bytes, kind of file system."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import sys
from collections.abc import Iterator

_MAX_TABLE = 1024 * 1024
_MOUNT_SEC = 2
_MACOS_MOUNT = r"^.* on (/.*) \((\w+)[,)]"
_KIND = r"[\w.+-]{1,32}"


def sync(descriptor: int) -> None:
    """Flush a file, or the names in a folder, to the disk; raises OSError where that fails.

    On macOS ``fsync`` returns when the drive has the bytes in its own buffer; ``F_FULLFSYNC`` waits until that is empty
    (fsync(2) there). Some file systems, such as SMB and some of FUSE, refuse it: then ``fsync`` is used.
    """
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        try:
            fcntl.fcntl(descriptor, full)
            return
        except OSError:
            pass  # fsync below fails too if it is more than a missing F_FULLFSYNC
    os.fsync(descriptor)


def sync_folder(path: str) -> None:
    """Flush the names in a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def rename_without_replacing(source: str, path: str, *, at: int | None = None) -> bool:
    """Rename a file, but not over another one; False if the system has no call for that.

    Raises FileExistsError where the name is taken. ``at`` is the descriptor of the folder, if it is open.
    """
    name, here, flag = ("renameatx_np", -2, 4) if sys.platform == "darwin" else ("renameat2", -100, 1)
    try:
        import ctypes

        call = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (ImportError, OSError, AttributeError):
        return False
    folder = here if at is None else at
    if call(folder, os.fsencode(source), folder, os.fsencode(path), flag) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    return False


def free_bytes(folder: str) -> int | None:
    """Bytes that the user may still write where a folder is, or would be created; None if the system does not say."""
    while not os.path.exists(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    if status.f_files and not status.f_favail:  # there are free bytes, but no free inodes
        return 0
    return status.f_bavail * status.f_frsize


def file_system(path: str) -> str | None:
    """The kind of file system at a path, such as ``ext4`` or ``apfs``; None where the system does not say."""
    try:
        mounts = linux_mounts(_linux_table()) if sys.platform.startswith("linux") else macos_mounts(_macos_table())
        return kind_at(os.path.realpath(path), mounts)
    except (OSError, ValueError):
        return None


def linux_mounts(table: str) -> Iterator[tuple[str, str]]:
    """(mount point, kind) of each line of ``/proc/self/mountinfo`` (proc_pid_mountinfo(5))."""
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) > 4:
            yield re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]), kinds[0]


def macos_mounts(table: str) -> Iterator[tuple[str, str]]:
    """The same of what ``mount`` prints on macOS: ``/dev/disk3s5 on /System/Volumes/Data (apfs, local, …)``."""
    for found in re.finditer(_MACOS_MOUNT, table, re.MULTILINE):
        yield found[1], found[2]


def kind_at(path: str, mounts: Iterator[tuple[str, str]]) -> str | None:
    """The kind at the longest mount point above ``path``; the last one of several at the same point."""
    best, name = "", None
    for point, kind in mounts:
        is_above = path == point or path.startswith(point.rstrip("/") + "/")
        if is_above and len(point) >= len(best) and re.fullmatch(_KIND, kind):
            best, name = point, kind
    return name


def _linux_table() -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read(_MAX_TABLE)


def _macos_table() -> str:
    import subprocess

    try:
        done = subprocess.run(
            ["/sbin/mount"], capture_output=True, timeout=_MOUNT_SEC, check=True, stdin=subprocess.DEVNULL
        )
    except subprocess.SubprocessError as error:
        raise OSError("mount failed") from error
    return done.stdout.decode(errors="replace")[:_MAX_TABLE]
