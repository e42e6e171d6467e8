"""What is tried when no record of a known shape held a picture: the file that Codex saved, and then any stray blob."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator

from codex_imagegen.codex.sessions import rollout
from codex_imagegen.codex.sessions.tail import Tail
from codex_imagegen.results import Warning_

MAX_FILE_BYTES = 256 * 1024 * 1024
"""A larger file is no picture of an image model, and is left alone."""

WARNING = Warning_(
    "unknown-record",
    "the picture stood in a record of a shape that this version does not know; look at it before you use it",
)


def saved_files(folder: str) -> list[tuple[str, os.stat_result]]:
    """Path and status of each regular file in a thread's own pictures folder, oldest first; links are not followed."""
    try:
        if stat.S_ISLNK(os.lstat(folder).st_mode):
            return []
        with os.scandir(folder) as entries:
            found = [(entry.path, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError:
        return []
    found.sort(key=lambda file: (file[1].st_mtime_ns, file[0]))
    return [file for file in found if stat.S_ISREG(file[1].st_mode) and 0 < file[1].st_size <= MAX_FILE_BYTES]


def saved(folder: str, wants: Callable[[str, os.stat_result], bool] | None = None) -> Iterator[bytes]:
    """The bytes of each of these files, or of those that are wanted."""
    for path, status in saved_files(folder):
        data = read(path) if wants is None or wants(path, status) else None
        if data:
            yield data


def unrecognized_images(path: str, offset: int) -> Iterator[bytes]:
    """Every stray picture of a rollout from an offset on (see :class:`rollout.UnrecognizedImages`)."""
    reader = rollout.UnrecognizedImages()
    for line in lines(path, offset):
        reader.read(line)
    yield from reader.pictures


def lines(path: str, offset: int) -> Iterator[bytes]:
    """The lines of a rollout from an offset on, and what follows the last line feed; none where it can't be read."""
    with contextlib.suppress(OSError), contextlib.closing(Tail(path, offset)) as tail:
        yield from tail.lines()
        if tail.partial_line:
            yield tail.partial_line


def read(path: str) -> bytes | None:
    """The bytes of one of these files, or None where it can't be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError:
        return None
