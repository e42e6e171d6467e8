"""A file that is whole or not there at all: written under a name that nobody else has, and given its own at the end.

``at`` is a descriptor of the folder where that is already open: then the last part of a path alone counts.

Bytes that must survive a loss of power.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import sys
import time
from collections.abc import Iterator
from typing import IO

_UNFINISHED = re.compile(r"\.codex-imagegen-(?:probe-)?[0-9a-f]{16}\.(?:tmp|png|jpe?g|webp)\Z")
_YOUNG_SEC = 2.0
"""A file may be so young that its writer has not locked it yet."""

_NO_LINKS = {
    errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV,
}  # fmt: skip
"""What file systems without hard links say."""


@contextlib.contextmanager
def temporary_file(folder: str, at: int | None = None) -> Iterator[tuple[IO[bytes], str]]:
    """A new file, open for writing, and its name; what still bears that name when the context ends is removed."""
    descriptor, name = create(folder, ".codex-imagegen", at)
    try:
        with open(descriptor, "wb") as file:
            with contextlib.suppress(OSError):  # told by sweep() from one whose writer was killed
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file, name
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=at)


def replace(temporary: str, path: str, at: int | None = None) -> None:
    """Put a finished file in the place of another, whose permissions it takes over, or where none is."""
    path = _named(path, at)
    with contextlib.suppress(OSError):
        os.chmod(temporary, stat.S_IMODE(os.stat(path, dir_fd=at).st_mode), dir_fd=at)
    os.replace(temporary, path, src_dir_fd=at, dst_dir_fd=at)


def link(temporary: str, path: str, at: int | None = None) -> None:
    """Give a finished file its name; raises FileExistsError where the name is taken.

    Where the file system has no hard links the file is renamed, which the system refuses where the name is taken. Some
    (9p) know no such renaming either: there an empty file takes the name first, and stays if we are killed before the
    next call.
    """
    path = _named(path, at)
    try:
        os.link(temporary, path, src_dir_fd=at, dst_dir_fd=at)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not _rename(temporary, path, at):
            _reserve(temporary, path, at)


def _rename(temporary: str, path: str, at: int | None) -> bool:
    """Rename a file unless the name is taken (FileExistsError); False where the system can't say that in one call."""
    name, here, flag = ("renameatx_np", -2, 4) if sys.platform == "darwin" else ("renameat2", -100, 1)
    try:
        import ctypes

        call = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (ImportError, OSError, AttributeError):
        return False
    folder = here if at is None else at
    if call(folder, os.fsencode(temporary), folder, os.fsencode(path), flag) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    return False


def _reserve(temporary: str, path: str, at: int | None) -> None:
    """Take the name with an empty file, and put the finished one in its place; a name without a picture is freed."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=at))
    try:
        os.replace(temporary, path, src_dir_fd=at, dst_dir_fd=at)
    except BaseException:
        with contextlib.suppress(OSError):
            if os.stat(path, dir_fd=at, follow_symlinks=False).st_size == 0:  # whoever wrote there keeps it
                os.unlink(path, dir_fd=at)
        raise


def sweep(folder: str) -> None:
    """Remove the unfinished files that writers who were killed have left in a folder."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _UNFINISHED.match(entry.name) and _is_abandoned(entry.path):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _is_abandoned(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, "rb", opener=_regular) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(file.fileno())
        return stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > _YOUNG_SEC
    return False


def _regular(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def create(folder: str, stem: str, at: int | None = None) -> tuple[int, str]:
    """A new file of a name that nobody else has, with the permissions that the umask leaves it."""
    name = _named(os.path.join(folder, f"{stem}-{os.urandom(8).hex()}.tmp"), at)
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    return beyond_streams(os.open(name, flags, 0o666, dir_fd=at)), name


def beyond_streams(descriptor: int) -> int:
    """The same open file at a descriptor from 3 on, for a program that was started without standard streams.

    What is at 0, 1 or 2 is written to as a stream by whoever thinks so, and a child process has its own streams there:
    a lock that it should inherit would be gone.
    """
    if descriptor > 2:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)


def _named(path: str, at: int | None) -> str:
    return path if at is None else os.path.basename(path)


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
