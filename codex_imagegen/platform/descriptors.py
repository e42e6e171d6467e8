"""Open and lock files, relative to an open folder where that is asked for.

``at`` is the descriptor of an open folder: names are then looked up in it. Python lets no child process inherit what it
opens (PEP 446), so no flag says that here.

Locks are advisory; the system frees one when its last descriptor is closed.
"""

from __future__ import annotations

import errno
import fcntl
import os

_BINARY = getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Opening a pipe that nobody writes to would hang; for a regular file the flag has no meaning."""

NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
"""What a file system says that has no files without a name (open(2)); the last, where there is no folder either."""


def open_file(path: str, *, follow: bool = True, at: int | None = None) -> int:
    """Open a file to read; with ``follow`` off, a symbolic link raises OSError."""
    return os.open(path, os.O_RDONLY | _BINARY | _NO_WAIT | (0 if follow else os.O_NOFOLLOW), dir_fd=at)


def open_folder(path: str, *, at: int | None = None) -> int:
    """Open a folder; a symbolic link to one raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)


def open_log(path: str) -> int:
    """Open a file to read and append, made with mode 0600 where it is missing."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY | _NO_WAIT, 0o600)


def open_null() -> int:
    """Open the null device to read and write."""
    return os.open(os.devnull, os.O_RDWR)


def create_file(path: str, *, mode: int = 0o666, at: int | None = None) -> int:
    """Make a file and open it to write, with the permissions that the umask leaves of ``mode``.

    Raises FileExistsError where the name is taken.
    """
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, mode, dir_fd=at)


def create_missing_file(path: str) -> None:
    """Make an empty file with mode 0600 unless there is one; a symbolic link raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))


def create_unnamed_file(folder: str) -> int | None:
    """Open a new file without a name, which is gone when it is closed; None where the system has no such files."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None:
        return None
    try:
        return os.open(folder, flag | os.O_WRONLY, 0o600)
    except OSError as error:
        if error.errno in NO_UNNAMED_FILES:
            return None
        raise


def make_folder(path: str, *, at: int | None = None) -> None:
    """Make a folder; raises FileExistsError where the name is taken."""
    os.mkdir(path, dir_fd=at)


def remove_file(path: str, *, at: int | None = None) -> None:
    """Remove a file, or a symbolic link."""
    os.unlink(path, dir_fd=at)


def remove_folder(path: str, *, at: int | None = None) -> None:
    """Remove an empty folder."""
    os.rmdir(path, dir_fd=at)


def replace_file(source: str, path: str, *, at: int | None = None) -> None:
    """Rename a file; one that is at ``path`` is replaced in the same step."""
    os.replace(source, path, src_dir_fd=at, dst_dir_fd=at)


def link_file(source: str, path: str, *, at: int | None = None) -> None:
    """Give a file one more name; raises FileExistsError where it is taken."""
    os.link(source, path, src_dir_fd=at, dst_dir_fd=at)


def status(path: str, *, follow: bool = True, at: int | None = None) -> os.stat_result:
    """The status of a file."""
    return os.stat(path, dir_fd=at, follow_symlinks=follow)


def set_mode(path: str, mode: int, *, at: int | None = None) -> None:
    """Set the permissions of a file."""
    os.chmod(path, mode, dir_fd=at)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read up to ``size`` bytes from ``offset`` on; the position of the open file does not move."""
    return os.pread(descriptor, size, offset)


def is_own(status: os.stat_result) -> bool:
    """Whether a file belongs to the user of this process."""
    return status.st_uid == os.geteuid()


def beyond_streams(descriptor: int) -> int:
    """Move an open file to a descriptor from 3 on, for a program that was started without standard streams.

    Whatever has descriptor 0, 1 or 2 is written to as a stream, and a child process has its own streams there: it would
    not inherit a lock.
    """
    if descriptor > 2:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, shared: bool = False) -> None:
    """Lock an open file or folder, without waiting. A child process that inherits the descriptor shares the lock.

    Raises BlockingIOError where somebody else holds a conflicting lock, and another OSError where the file system has
    no locks.
    """
    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
