"""A file that is whole or not there at all: written under a name that nobody else has, and given its own at the end.

``at`` is a descriptor of the folder where that is already open: then the last part of a path alone counts.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from typing import IO

_UNFINISHED = re.compile(r"\.codex-imagegen-[0-9a-f]{16}\.(?:tmp|png|jpe?g|webp)\Z")
_YOUNG_SEC = 2.0
"""A file may be so young that its writer has not locked it yet."""


@contextlib.contextmanager
def unfinished(folder: str, at: int | None = None) -> Iterator[tuple[IO[bytes], str]]:
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
    """Give a finished file its name; raises FileExistsError where the name is taken."""
    path = _named(path, at)
    try:
        os.link(temporary, path, src_dir_fd=at, dst_dir_fd=at)
    except OSError as error:
        if error.errno not in {
            errno.EPERM,
            errno.ENOTSUP,
            errno.EOPNOTSUPP,
            errno.ENOSYS,
            errno.EMLINK,
            errno.EXDEV,
        }:
            raise
        # a file system without hard links: reserve the name, then replace the reservation
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=at))
        os.replace(temporary, path, src_dir_fd=at, dst_dir_fd=at)


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
    return os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=at), name


def _named(path: str, at: int | None) -> str:
    return path if at is None else os.path.basename(path)
