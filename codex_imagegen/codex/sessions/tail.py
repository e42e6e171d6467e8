"""Following a file that grows: by byte offset, whole lines only, each line once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

_CHUNK = 1024 * 1024
HEAD = 512
"""Bytes of a line that decide whether it is wanted; a wanted line is handed on whole, another is never gathered."""

MAX_LINE = 192 * 1024 * 1024
"""Bytes of a line that are gathered at most; a longer one is no record of Codex's and is left out, memory is finite."""


def _all(_head: bytes) -> bool:
    return True


class Tail:
    """The lines of a file from an offset on, as they become whole.

    The file is kept open, so that what was written can still be read after it was renamed or deleted. One that shrinks
    is read again from ``offset``, and never before it. ``wants(head)`` says by a line's first bytes whether to gather
    it.
    """

    def __init__(self, path: str, offset: int = 0, wants: Callable[[bytes], bool] = _all) -> None:
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._wants, self._begin = wants, offset
        self._restart()

    def close(self) -> None:
        """Let the file go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def lines(self) -> Iterator[bytes]:
        """Every wanted line that has become whole since the last call, without its line feed."""
        if os.fstat(self._file).st_size < self._offset:
            self._restart()
        while chunk := os.pread(self._file, _CHUNK, self._offset):
            self._offset += len(chunk)
            yield from self._split(chunk)

    @property
    def unread(self) -> int:
        """Bytes that have not been read yet."""
        return os.fstat(self._file).st_size - self._offset

    @property
    def partial_line(self) -> bytes:
        """The wanted part of a line that has not been ended: torn, or still being written."""
        return b"".join(self._parts)

    def _restart(self) -> None:
        self._offset = self._begin
        self._parts: list[bytes] = []
        self._size = 0
        self._wanted: bool | None = None

    def _split(self, chunk: bytes) -> Iterator[bytes]:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            self._gather(chunk[start:end], last=True)
            parts, wanted = self._parts, self._wanted
            self._parts, self._size, self._wanted = [], 0, None
            if wanted:
                yield parts[0] if len(parts) == 1 else b"".join(parts)
            start = end + 1
        if start < len(chunk):
            self._gather(chunk[start:], last=False)

    def _gather(self, part: bytes, *, last: bool) -> None:
        self._size += len(part)
        if self._size > MAX_LINE:
            self._wanted = False
            self._parts.clear()
        if self._wanted is None:
            self._parts.append(part)
            head = b"".join(self._parts)[:HEAD]
            if len(head) < HEAD and not last:
                return
            self._wanted = self._wants(head)
            if not self._wanted:
                self._parts.clear()
        elif self._wanted:
            self._parts.append(part)
