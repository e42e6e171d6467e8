"""What became of each job, on disk at once: an append-only file of JSON lines beside the outputs.

::

    {"journal": "codex-imagegen-batch", "schema": 1}
    {"event": "started", "job": "<key>", "line": 3, "at": 1795226966.5, "folder": "…/codex-imagegen-run-…"}
    {"event": "thread",  "job": "<key>", "thread_id": "…"}            (RunComfy: "request", "request_id")
    {"event": "done",    "job": "<key>", "images": […], "thread_id": "…", "codex_version": "…", "warnings": […]}
    {"event": "failed",  "job": "<key>", "error": {…}, "thread_id": "…"}
    {"event": "dropped", "job": "<key>"}                               (it ended without a verdict: do it again)

A line counts when it is whole. One that was torn by a kill is skipped, and the next one begins on a line of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from codex_imagegen.errors import OutUnwritable, UsageError

NAME = ".codex-imagegen-batch.jsonl"
HEADER = {"journal": "codex-imagegen-batch", "schema": 1}
MAX_LINE = 4 * 1024 * 1024
_CHUNK = 1024 * 1024
_BEGIN, _TOLD, _END = "started", ("thread", "request"), ("done", "failed", "dropped")


@dataclass(slots=True)
class _Places:
    """Where in the file a job's last lines begin, or -1: little is kept of each job."""

    started: int = -1
    told: int = -1
    ended: int = -1


@dataclass(frozen=True, slots=True)
class Trace:
    """The last run of a job as the journal tells it; ``ended`` None: it was cut off."""

    started: dict[str, Any]
    told: dict[str, Any]
    ended: dict[str, Any] | None


class Journal:
    """A context over the journal of a folder, which it makes; nobody else has it meanwhile.

    Raises :class:`UsageError` where another batch has it, and :class:`OutUnwritable` where it can't be written.
    """

    def __init__(self, folder: str) -> None:
        self.folder, self.path = folder, os.path.join(folder, NAME)
        self._lock = threading.Lock()
        self._jobs: dict[bytes, _Places] = {}
        self.folders: list[str] = []
        """The private folders of earlier runs that are still there."""
        try:
            os.makedirs(folder, exist_ok=True)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        try:
            self._claim()
            self._load()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def trace(self, key: bytes) -> Trace | None:
        """What is known of a job, or None."""
        with self._lock:
            places = self._jobs.get(key)
            if places is None:
                return None
            started, told, ended = (self._read(at) for at in (places.started, places.told, places.ended))
        return Trace(started or {}, told or {}, ended)

    def started(self, key: bytes, line: int, **more: Any) -> None:
        """A run of the job is about to begin: told before anything can be spent."""
        self._add(_BEGIN, key, line=line, at=time.time(), **more)

    def thread(self, key: bytes, thread_id: str) -> None:
        """Codex has named its thread."""
        self._add("thread", key, thread_id=thread_id)

    def request(self, key: bytes, request_id: str) -> None:
        """RunComfy has taken the request."""
        self._add("request", key, request_id=request_id)

    def done(self, key: bytes, result: dict[str, Any]) -> None:
        """The picture is on disk."""
        self._add("done", key, **result)

    def failed(self, key: bytes, result: dict[str, Any]) -> None:
        """The job has failed, and is not tried again unasked."""
        self._add("failed", key, **result)

    def dropped(self, key: bytes) -> None:
        """The run has ended, and says nothing about the job: it is to be done again."""
        self._add("dropped", key)

    def _claim(self) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise OutUnwritable(f"the journal {self.path!r} is not a regular file", hint="move it away")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another batch is at work in {self.folder!r}",
                hint="wait for it, or choose another --out-dir",
            ) from error
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _load(self) -> None:
        self._size, self._torn = 0, False
        for at, line in self._lines():
            record = _record(line)
            if at == 0 and record.get("journal") == HEADER["journal"] and record.get("schema") != HEADER["schema"]:
                raise UsageError(f"the journal {self.path!r} is of a newer version", hint="update codex-imagegen")
            self._note(at, record)
            self._left(record.get("folder"))
        if self._size == 0:
            self._write(HEADER)
            with contextlib.suppress(OSError):  # so that the journal's name is as lasting as its lines
                folder = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def _left(self, folder: object) -> None:
        if isinstance(folder, str) and "\0" not in folder and os.path.isdir(folder):
            self.folders.append(folder)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Place and bytes of each whole line; what is behind the last line feed is torn."""
        rest, at = b"", 0
        while chunk := os.pread(self._file, _CHUNK, self._size):
            self._size += len(chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield at, line
                at += len(line) + 1
        self._torn = bool(rest)

    def _note(self, at: int, record: dict[str, Any]) -> None:
        key = _key(record.get("job"))
        if key is None:
            return
        event = record.get("event")
        if event == _BEGIN:
            self._jobs[key] = _Places(at)
        elif event in _TOLD:
            self._jobs.setdefault(key, _Places()).told = at
        elif event in _END:
            self._jobs.setdefault(key, _Places()).ended = at

    def _read(self, at: int) -> dict[str, Any] | None:
        if at < 0:
            return None
        parts: list[bytes] = []
        while b"\n" not in (parts[-1] if parts else b"") and sum(map(len, parts)) < MAX_LINE:
            chunk = os.pread(self._file, 4096, at + sum(map(len, parts)))
            if not chunk:
                break
            parts.append(chunk)
        return _record(b"".join(parts).partition(b"\n")[0])

    def _add(self, event: str, key: bytes, **more: Any) -> None:
        record = {"event": event, "job": key.hex(), **more}
        with self._lock:
            self._note(self._write(record), record)

    def _write(self, record: dict[str, Any]) -> int:
        """Append a line and wait until it is on disk; gives back where it begins."""
        line = (b"\n" if self._torn else b"") + json.dumps(record, separators=(",", ":")).encode() + b"\n"
        at = self._size + self._torn
        try:
            self._torn = True
            view = memoryview(line)
            while view:
                written = os.write(self._file, view)
                view, self._size = view[written:], self._size + written
            self._torn = False
            os.fsync(self._file)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return at


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _key(value: object) -> bytes | None:
    try:
        return bytes.fromhex(value) if isinstance(value, str) and len(value) == 32 else None
    except ValueError:
        return None


def _unwritable(path: str, error: OSError) -> OutUnwritable:
    return OutUnwritable(
        f"the batch's journal {path!r} can't be written: {error.strerror}", hint="choose another --out-dir"
    )
