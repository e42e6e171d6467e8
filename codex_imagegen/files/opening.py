"""Open regular files for reading, and test whether another process holds a lock.

Other files are refused: a pipe or a device could block or never end.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader

from codex_imagegen.platform import descriptors


class NotRegularFile(OSError):
    """A folder, pipe, socket or device where a file was expected."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EINVAL, "not a regular file", path)


def open_regular(path: str, *, follow: bool = True, at: int | None = None) -> BufferedReader:
    """Open a regular file; with ``follow`` off, a symbolic link raises OSError.

    ``at`` is the descriptor of a folder in which ``path`` is a name. Raises :class:`NotRegularFile`, OSError as
    ``os.open`` does, and ValueError for a path with a NUL.
    """
    descriptor = descriptors.open_file(path, follow=follow, at=at)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularFile(path)
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def is_locked(path: str, *, folder: bool = False, shared: bool = False) -> bool | None:
    """Whether another process holds the lock of a file, or of a ``folder``; None if that can't be known.

    With ``shared``, shared locks do not count. False if there is no such file, or a link, which is not followed. It
    can't be known if the file system has no locks, or none for files that are only open to read (NFS, a folder: EBADF),
    or if this process has no descriptor left.
    """
    try:
        descriptor = (descriptors.open_folder if folder else _open_file)(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        return False if error.errno == errno.ELOOP else None
    try:
        descriptors.lock(descriptor, shared=shared)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def _open_file(path: str) -> int:
    return descriptors.open_file(path, follow=False)
