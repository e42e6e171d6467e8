"""An append-only file of JSON lines, locked by one process at a time. A kill at any moment leaves it readable."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from codex_imagegen.errors import OutUnwritable, UsageError
from codex_imagegen.platform import descriptors, disk
from codex_imagegen.values import parse_object

MAX_LINE_BYTES = 16 * 1024 * 1024
"""The most bytes of a line: a revised prompt of Codex's full length with every character escaped has 12 MB.

No longer line is written, so that every record can be read again; a longer line is not parsed.
"""

_CHUNK = 1024 * 1024
_FIRST_READ = 4096


class AppendLog:
    """An open and locked file; read :meth:`records` to its end before adding anything.

    With ``read_only`` it is neither created nor locked, and a missing one is empty. Raises :class:`UsageError` if
    another process has locked it, and :class:`OutUnwritable` if it can't be written.
    """

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path = path
        self._size, self._torn = 0, False
        if read_only:
            self._file = self._open_to_read()
            return
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._file = descriptors.beyond_streams(descriptors.open_log(path))
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            self._lock()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close and unlock the file."""
        os.close(self._file)

    def records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield offset and record of each complete line; the record is empty if the line is not a JSON object."""
        line, offset = _LineParts(), 0
        while chunk := descriptors.read_at(self._file, _CHUNK, self._size):
            self._size += len(chunk)
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                line.add(end)
                size = line.size
                yield offset, parse_object(line.take()) or {}
                offset += size + 1
            line.add(rest)
        self._torn = line.size > 0

    def record_at(self, offset: int) -> dict[str, Any] | None:
        """The record at an offset, or None for a negative one."""
        if offset < 0:
            return None
        found, end = bytearray(), -1
        while end < 0 and len(found) <= MAX_LINE_BYTES:
            seen = len(found)
            chunk = descriptors.read_at(self._file, max(_FIRST_READ, seen), offset + seen)
            if not chunk:
                break
            found += chunk
            end = found.find(b"\n", seen)
        return parse_object(bytes(found[: max(end, 0)])) or {}

    def add(self, record: dict[str, Any]) -> int:
        """Append a record, wait until it is on disk, and return its offset. A torn line before it is ended first."""
        line = (b"\n" if self._torn else b"") + _line(record) + b"\n"
        offset = self._size + self._torn
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
        return offset

    def sync_name(self) -> None:
        """Flush the file's name in its folder to the disk; its lines are flushed already."""
        with contextlib.suppress(OSError):
            disk.sync_folder(os.path.dirname(self.path))

    def _open_to_read(self) -> int:
        try:
            file = descriptors.beyond_streams(descriptors.open_file(self.path))
        except FileNotFoundError:
            return descriptors.beyond_streams(descriptors.open_null())
        except OSError as error:
            message = f"the batch's journal {self.path!r} can't be read: {error.strerror}"
            raise OutUnwritable(message, hint="choose another --out-dir", errno=error.errno) from error
        try:
            self._check_regular(file)
        except BaseException:
            os.close(file)
            raise
        return file

    def _check_regular(self, file: int) -> None:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OutUnwritable(f"the journal {self.path!r} is not a regular file", hint="move it away")

    def _lock(self) -> None:
        self._check_regular(self._file)
        try:
            descriptors.lock(self._file)
        except BlockingIOError as error:
            raise UsageError(
                f"another batch is running in {os.path.dirname(self.path)!r}",
                hint="wait for it, or choose another --out-dir",
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutUnwritable:
        message = f"the batch's journal {self.path!r} can't be written: {error.strerror}"
        return OutUnwritable(message, hint="choose another --out-dir", errno=error.errno)


class _LineParts:
    """The parts of one line; of a line that is too long, only the size is kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        """Add a part."""
        self.size += len(part)
        if self.size > MAX_LINE_BYTES:
            self._parts.clear()
        else:
            self._parts.append(part)

    def take(self) -> bytes:
        """Return the complete line (empty if it is too long), and begin the next one."""
        line = b"".join(self._parts)
        self._parts, self.size = [], 0
        return line


def _line(record: dict[str, Any]) -> bytes:
    """Return the record as a line; if it exceeds :data:`MAX_LINE_BYTES`, its longest texts are cut."""
    longest: int = MAX_LINE_BYTES // 8
    while len(line := json.dumps(record, separators=(",", ":")).encode()) > MAX_LINE_BYTES:
        record, longest = _clip(record, longest), longest // 2
    return line


def _clip(value: Any, longest: int) -> Any:
    """The same JSON with no text of more characters than ``longest``."""
    if isinstance(value, dict):
        return {key: _clip(each, longest) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clip(each, longest) for each in value]
    return value[:longest] if isinstance(value, str) else value
