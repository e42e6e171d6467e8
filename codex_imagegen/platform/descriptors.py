"""Open and lock files, by path or relative to an open folder.

``at`` is the descriptor of an open folder in which names are looked up. Child processes do not inherit these
descriptors (PEP 446).

Locks are advisory; the system frees one when its last descriptor is closed.
"""

from __future__ import annotations

import errno
import fcntl
import os

_BINARY = getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Without it, opening a pipe without a writer would block; the flag has no effect on a regular file."""

NO_UNNAMED_FILES = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT}
"""The errors of file systems without unnamed files (open(2)); the last one also if there is no folder."""


def open_file(path: str, *, follow: bool = True, at: int | None = None) -> int:
    """Open a file to read; with ``follow`` off, a symbolic link raises OSError."""
    return os.open(path, os.O_RDONLY | _BINARY | _NO_WAIT | (0 if follow else os.O_NOFOLLOW), dir_fd=at)


def open_folder(path: str, *, at: int | None = None) -> int:
    """Open a folder; a symbolic link to one raises OSError."""
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)


def open_log(path: str) -> int:
    """Open a file to read and append; a missing one is created with mode 0600."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY | _NO_WAIT, 0o600)


def open_stream(path: str, _flags: int = 0) -> int:
    """Open an existing device or pipe to write, without waiting; an opener for ``open``.

    Raises OSError with ENXIO for a pipe that no process reads from. A terminal does not become the process's own.
    """
    return os.open(path, os.O_WRONLY | os.O_NOCTTY | _BINARY | _NO_WAIT)


def open_null() -> int:
    """Open the null device to read and write."""
    return os.open(os.devnull, os.O_RDWR)


def create_file(path: str, *, mode: int = 0o666, at: int | None = None) -> int:
    """Create a file and open it to write, with the permissions that the umask leaves of ``mode``.

    Raises FileExistsError where the name is taken.
    """
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, mode, dir_fd=at)


def create_missing_file(path: str) -> None:
    """Create an empty file with mode 0600 unless it exists; a symbolic link raises OSError."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))


def create_unnamed_file(folder: str) -> int | None:
    """Open a new file without a name, which is deleted when it is closed; None if the system has no such files."""
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
    """Create a folder; raises FileExistsError where the name is taken."""
    os.mkdir(path, dir_fd=at)


def remove_file(path: str, *, at: int | None = None) -> None:
    """Remove a file, or a symbolic link."""
    os.unlink(path, dir_fd=at)


def remove_folder(path: str, *, at: int | None = None) -> None:
    """Remove an empty folder."""
    os.rmdir(path, dir_fd=at)


def replace_file(source: str, path: str, *, at: int | None = None) -> None:
    """Rename a file; an existing file at ``path`` is replaced atomically."""
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

    Output of Python would be written to descriptor 1 or 2. A child process has its own streams at 0, 1 and 2, and would
    not inherit a lock there.
    """
    if descriptor > 2:
        return descriptor
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(descriptor)


def lock(descriptor: int, *, shared: bool = False) -> None:
    """Lock an open file or folder, without waiting. A child process that inherits the descriptor shares the lock.

    Raises BlockingIOError if another process holds a conflicting lock, and another OSError if the file system has no
    locks.
    """
    fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
