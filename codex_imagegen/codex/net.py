"""What is tried when no record of a known shape held a picture: the file that Codex saved, and then any stray blob."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from codex_imagegen.codex import rollout
from codex_imagegen.codex.tail import Tail
from codex_imagegen.outcome import Warning_

MAX_FILE_BYTES = 256 * 1024 * 1024
"""A larger file is no picture of an image model, and is left alone."""

WARNING = Warning_(
    "unknown-record",
    "the picture stood in a record of a shape that this version does not know; look at it before you use it",
)


def saved(folder: str) -> Iterator[bytes]:
    """The bytes of each regular file in a thread's own pictures folder, oldest first; links are not followed."""
    try:
        if stat.S_ISLNK(os.lstat(folder).st_mode):
            return
        with os.scandir(folder) as entries:
            files = [(entry.stat(follow_symlinks=False), entry.path) for entry in entries]
    except OSError:
        return
    for status, path in sorted(files, key=lambda file: (file[0].st_mtime_ns, file[1])):
        if stat.S_ISREG(status.st_mode) and 0 < status.st_size <= MAX_FILE_BYTES:
            data = _read(path)
            if data:
                yield data


def strays(path: str, offset: int) -> Iterator[bytes]:
    """Every stray picture of a rollout from an offset on (see :class:`rollout.Strays`)."""
    try:
        tail = Tail(path, offset)
    except OSError:
        return
    reader = rollout.Strays()
    try:
        for line in tail.lines():
            reader.read(line)
    finally:
        tail.close()
    yield from reader.pictures


def _read(path: str) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            return file.read(MAX_FILE_BYTES)
    except OSError:
        return None
