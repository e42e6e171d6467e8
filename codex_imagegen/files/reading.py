"""Open a regular file to read, and nothing else: a pipe or a device could hang or never end."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader

from codex_imagegen.platform import opening


class NotRegularFile(OSError):
    """A folder, pipe, socket or device where a file was expected."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EINVAL, "not a regular file", path)


def open_regular(path: str, *, follow: bool = True, at: int | None = None) -> BufferedReader:
    """Open a regular file; with ``follow`` off, a symbolic link raises OSError.

    ``at`` is the descriptor of a folder in which ``path`` is a name. Raises :class:`NotRegularFile`, OSError as
    ``os.open`` does, and ValueError for a path with a NUL.
    """
    descriptor = opening.open_file(path, follow=follow, at=at)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularFile(path)
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
