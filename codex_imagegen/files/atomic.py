"""Write files atomically: under its name, a file is complete or does not exist; and test whether a folder is writable.

A file is written under a temporary name, and renamed at the end. ``at`` is the descriptor of the folder if it is
already open: then only the last part of a path is used.

The tests leave no file in the folder, even if this process is killed. A file with a name is their last resort: created
and removed at once, it was left behind by two of 120 doctors that were killed at random moments. Linux has files
without a name, and a folder's times can be set to the same values.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Iterator
from typing import IO

from codex_imagegen.files.opening import open_regular
from codex_imagegen.platform import descriptors

_TEMPORARY_NAME = r"\.codex-imagegen-(?:probe-)?[0-9a-f]{16}\.(?:tmp|png|jpe?g|webp)"
_YOUNG_SEC = 2.0
"""Age from which a file may be abandoned; the writer of a younger one may not have locked it yet."""

_NO_LINKS = {
    errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV,
}  # fmt: skip
"""The errors of file systems without hard links."""


@contextlib.contextmanager
def temporary_file(folder: str, at: int | None = None, *, mode: int = 0o666) -> Iterator[tuple[IO[bytes], str]]:
    """A context of a new file, open to write, and its name; at the end, a file that still has that name is removed.

    The permissions are ``mode`` without the bits of the umask.
    """
    descriptor, name = _create(folder, ".codex-imagegen", at, mode)
    try:
        with open(descriptor, "wb") as file:
            with contextlib.suppress(OSError):  # remove_abandoned() keeps a file that is locked
                descriptors.lock(descriptor)
            yield file, name
    finally:
        with contextlib.suppress(OSError):
            descriptors.remove_file(name, at=at)


def write_file(path: str, data: bytes, at: int | None = None, *, mode: int = 0o666) -> None:
    """Write a file atomically. An existing file is replaced, and its permissions are not kept."""
    with temporary_file(os.path.dirname(path), at, mode=mode) as (file, temporary):
        file.write(data)
        flush(file)
        descriptors.replace_file(temporary, _name(path, at), at=at)


def replace(temporary: str, path: str, at: int | None = None) -> None:
    """Rename a finished file to ``path``. An existing file is replaced, and its permissions are kept."""
    path = _name(path, at)
    with contextlib.suppress(OSError):
        descriptors.set_mode(temporary, stat.S_IMODE(descriptors.status(path, at=at).st_mode), at=at)
    descriptors.replace_file(temporary, path, at=at)


def publish(temporary: str, path: str, at: int | None = None) -> None:
    """Give a finished file its name; raises FileExistsError if the name is taken.

    Without hard links, the file is renamed by a call that refuses a taken name. File systems such as 9p lack that call
    too: there an empty file takes the name first, and is left behind if this process is killed before the next call.
    """
    path = _name(path, at)
    try:
        descriptors.link_file(temporary, path, at=at)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        from codex_imagegen.platform import disk

        if not disk.rename_without_replacing(temporary, path, at=at):
            _reserve(temporary, path, at)


def _reserve(temporary: str, path: str, at: int | None) -> None:
    """Take the name with an empty file, and replace that; after an error, the empty file is removed."""
    os.close(descriptors.create_file(path, at=at))
    try:
        descriptors.replace_file(temporary, path, at=at)
    except BaseException:
        with contextlib.suppress(OSError):
            if descriptors.status(path, follow=False, at=at).st_size == 0:  # another program may have written there
                descriptors.remove_file(path, at=at)
        raise


def remove_abandoned(folder: str) -> None:
    """Remove the temporary files that killed writers left in a folder."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if re.fullmatch(_TEMPORARY_NAME, entry.name) and _is_abandoned(entry.path):
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _is_abandoned(path: str) -> bool:
    with contextlib.suppress(OSError), open_regular(path, follow=False) as file:
        descriptors.lock(file.fileno())
        return time.time() - os.fstat(file.fileno()).st_mtime > _YOUNG_SEC
    return False


def check_writable(folder: str, at: int | None = None) -> None:
    """Create a file and remove it at once; raises OSError if the folder is not writable."""
    descriptor, name = _create(folder, ".codex-imagegen-probe", at)
    os.close(descriptor)
    descriptors.remove_file(name, at=at)


def flush(file: IO[bytes]) -> None:
    """Flush what was written to an open file to the disk."""
    file.flush()
    from codex_imagegen.platform import disk

    disk.sync(file.fileno())


def _create(folder: str, stem: str, at: int | None, mode: int = 0o666) -> tuple[int, str]:
    """Create a file with a random name, and return its descriptor and its name."""
    name = _name(os.path.join(folder, f"{stem}-{os.urandom(8).hex()}.tmp"), at)
    return descriptors.beyond_streams(descriptors.create_file(name, mode=mode, at=at)), name


def _name(path: str, at: int | None) -> str:
    return path if at is None else os.path.basename(path)


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


def write_traceback(error: Exception) -> str | None:
    """Write the traceback of an exception into a new temporary file; returns its path, or None where that fails."""
    import tempfile
    import traceback

    with contextlib.suppress(OSError):
        descriptor, path = tempfile.mkstemp(prefix="codex-imagegen-defect-", suffix=".txt")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(traceback.format_exception(error))
        return path
    return None
