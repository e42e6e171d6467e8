"""Read a growing file by byte offset: complete lines only, each line once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from codex_imagegen.platform import descriptors

_CHUNK = 1024 * 1024
HEAD = 512
"""Bytes of a line by which the caller decides whether to read it; other lines are never kept in memory."""

MAX_LINE = 192 * 1024 * 1024
"""Bytes of a line at most. A longer one is not a record of Codex and is skipped, to save memory."""


def _all(_head: bytes) -> bool:
    return True


class Tail:
    """The lines of a file from an offset on, as they are completed.

    The file is kept open, so that it can be read to its end after it was renamed or deleted. If it shrinks, it is read
    again from ``offset``, never before it. ``wants(head)`` says by a line's first bytes whether to read the line.
    """

    def __init__(self, path: str, offset: int = 0, wants: Callable[[bytes], bool] = _all) -> None:
        self._file = descriptors.open_file(path)
        self._wants, self._start = wants, offset
        self._restart()

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def lines(self) -> Iterator[bytes]:
        """Yield every wanted line that was completed since the last call, without its line feed."""
        if os.fstat(self._file).st_size < self._offset:
            self._restart()
        while chunk := descriptors.read_at(self._file, _CHUNK, self._offset):
            self._offset += len(chunk)
            yield from self._split(chunk)

    @property
    def unread(self) -> int:
        """Bytes that have not been read yet."""
        return os.fstat(self._file).st_size - self._offset

    @property
    def partial_line(self) -> bytes:
        """The wanted line after the last line feed: torn, or still being written."""
        return b"".join(self._parts)

    def _restart(self) -> None:
        self._offset = self._start
        self._parts: list[bytes] = []
        self._size = 0
        self._is_wanted: bool | None = None

    def _split(self, chunk: bytes) -> Iterator[bytes]:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._add(chunk[start:end], last=True)
            parts, is_wanted = self._parts, self._is_wanted
            self._parts, self._size, self._is_wanted = [], 0, None
            if is_wanted:
                yield parts[0] if len(parts) == 1 else b"".join(parts)
            start = end + 1
        if start < len(chunk):
            self._add(chunk[start:], last=False)

    def _add(self, part: bytes, *, last: bool) -> None:
        self._size += len(part)
        if self._size > MAX_LINE:
            self._is_wanted = False
            self._parts.clear()
        if self._is_wanted is None:
            self._parts.append(part)
            head = b"".join(self._parts)[:HEAD]
            if len(head) < HEAD and not last:
                return
            self._is_wanted = self._wants(head)
            if not self._is_wanted:
                self._parts.clear()
        elif self._is_wanted:
            self._parts.append(part)
