"""Whether another process holds the lock of a file or folder."""

from __future__ import annotations

import errno
import os

from codex_imagegen.platform import locks, opening


def is_locked(path: str, *, folder: bool = False, shared: bool = False) -> bool | None:
    """Whether somebody holds the lock of a file, or of a ``folder``; None where nobody can know.

    ``shared``: somebody who holds a shared lock does not count. False where nothing is at ``path``, or a link, which is
    not followed. A file system may have no locks, or none for what is only opened to read (NFS, a folder: EBADF), and
    this process may have no descriptor left: then nobody can know.
    """
    try:
        descriptor = (opening.open_folder if folder else _open_file)(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        return False if error.errno == errno.ELOOP else None
    try:
        locks.lock(descriptor, shared=shared)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def _open_file(path: str) -> int:
    return opening.open_file(path, follow=False)
