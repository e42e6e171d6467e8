"""An append-only file of JSON lines that one process has at a time, and that a kill at any moment leaves readable."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from codex_imagegen.errors import OutUnwritable, UsageError
from codex_imagegen.platform import disk, locks, opening
from codex_imagegen.values import parse_object

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line: a revised prompt of Codex's full length with every character escaped has 12 MB.

No longer line is written, and a longer one is no record: what is known of a job can always be read again.
"""

_CHUNK = 1024 * 1024
_FIRST_READ = 4096


class AppendLog:
    """The file, locked from now on; :meth:`records` must be read to its end before anything is added.

    Raises :class:`UsageError` where another process has it, and :class:`OutUnwritable` where it can't be written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._size, self._torn = 0, False
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._file = opening.beyond_streams(opening.open_log(path))
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._claim()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Place and content of each whole line, empty where it is no object; what is behind the last one is torn."""
        line, place = _Gathered(), 0
        while chunk := opening.read_at(self._file, _CHUNK, self._size):
            self._size += len(chunk)
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                line.add(end)
                size = line.size
                yield place, parse_object(line.taken()) or {}
                place += size + 1
            line.add(rest)
        self._torn = line.size > 0

    def at(self, place: int) -> dict[str, Any] | None:
        """The record at a place, or None for a negative one."""
        if place < 0:
            return None
        found, end = bytearray(), -1
        while end < 0 and len(found) <= MAX_LINE:
            seen = len(found)
            chunk = opening.read_at(self._file, max(_FIRST_READ, seen), place + seen)
            if not chunk:
                break
            found += chunk
            end = found.find(b"\n", seen)
        return parse_object(bytes(found[: max(end, 0)])) or {}

    def add(self, record: dict[str, Any]) -> int:
        """Append a record and wait until it is on disk; gives back its place. A torn line before it is ended first."""
        line = (b"\n" if self._torn else b"") + _line(record) + b"\n"
        place = self._size + self._torn
        try:
            self._torn = True
            view = memoryview(line)
            while view:
                written = os.write(self._file, view)
                view, self._size = view[written:], self._size + written
            self._torn = False
            disk.sync(self._file)
        except OSError as error:
            raise self._unwritable(error) from error
        return place

    def keep_name(self) -> None:
        """Make the file's name as lasting as its lines."""
        with contextlib.suppress(OSError):
            disk.sync_folder(os.path.dirname(self.path))

    def _claim(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise OutUnwritable(f"the journal {self.path!r} is not a regular file", hint="move it away")
        try:
            locks.lock(self._file)
        except BlockingIOError as error:
            raise UsageError(
                f"another batch is at work in {os.path.dirname(self.path)!r}",
                hint="wait for it, or choose another --out-dir",
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutUnwritable:
        told = f"the batch's journal {self.path!r} can't be written: {error.strerror}"
        return OutUnwritable(told, hint="choose another --out-dir", errno=error.errno)


class _Gathered:
    """A line in parts; of one that is too long nothing is kept but its size."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        """One more part of it."""
        self.size += len(part)
        if self.size > MAX_LINE:
            self._parts.clear()
        else:
            self._parts.append(part)

    def taken(self) -> bytes:
        """The line as a whole, or nothing where it is too long; another one begins."""
        line = b"".join(self._parts)
        self._parts, self.size = [], 0
        return line


def _line(record: dict[str, Any]) -> bytes:
    """The record as a line that can be read again: where it would be too long, its longest texts are clipped."""
    longest: int = MAX_LINE // 8
    while len(line := json.dumps(record, separators=(",", ":")).encode()) > MAX_LINE:
        record, longest = _clipped(record, longest), longest // 2
    return line


def _clipped(value: Any, longest: int) -> Any:
    """The same JSON with no text of more characters than that."""
    if isinstance(value, dict):
        return {key: _clipped(each, longest) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clipped(each, longest) for each in value]
    return value[:longest] if isinstance(value, str) else value
