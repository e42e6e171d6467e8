"""An append-only file of JSON lines that one process has at a time, and that a kill at any moment leaves readable."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from codex_imagegen import disk
from codex_imagegen.errors import OutUnwritable, UsageError

MAX_LINE = 4 * 1024 * 1024
_CHUNK = 1024 * 1024
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK


class Lines:
    """The file, locked from now on; :meth:`records` must be read to its end before anything is added.

    Raises :class:`UsageError` where another process has it, and :class:`OutUnwritable` where it can't be written.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._size, self._torn = 0, False
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            self._file = os.open(path, _FLAGS, 0o600)
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
        rest, at = b"", 0
        while chunk := os.pread(self._file, _CHUNK, self._size):
            self._size += len(chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield at, _record(line)
                at += len(line) + 1
        self._torn = bool(rest)

    def at(self, place: int) -> dict[str, Any] | None:
        """The record at a place, or None for a negative one."""
        if place < 0:
            return None
        found = b""
        while b"\n" not in found and len(found) < MAX_LINE:
            chunk = os.pread(self._file, 4096, place + len(found))
            if not chunk:
                break
            found += chunk
        return _record(found.partition(b"\n")[0])

    def add(self, record: dict[str, Any]) -> int:
        """Append a record and wait until it is on disk; gives back its place. A torn line before it is ended first."""
        line = (b"\n" if self._torn else b"") + json.dumps(record, separators=(",", ":")).encode() + b"\n"
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
            folder = os.open(os.path.dirname(self.path), os.O_RDONLY | os.O_CLOEXEC)
            try:
                disk.sync(folder)
            finally:
                os.close(folder)

    def _claim(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise OutUnwritable(f"the journal {self.path!r} is not a regular file", hint="move it away")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another batch is at work in {os.path.dirname(self.path)!r}",
                hint="wait for it, or choose another --out-dir",
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutUnwritable:
        told = f"the batch's journal {self.path!r} can't be written: {error.strerror}"
        return OutUnwritable(told, hint="choose another --out-dir")


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
