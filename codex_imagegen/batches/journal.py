"""The journal of a batch: an append-only file of JSON lines beside the outputs, synced after each line.

::

    {"journal": "codex-imagegen-batch", "schema": 1}
    {"event": "started", "job": "<key>", "line": 3, "at": 1795226966.5, "folder": "…/codex-imagegen-run-…"}
    {"event": "thread",  "job": "<key>", "thread_id": "…"}            (RunComfy: "request", "request_id")
    {"event": "done",    "job": "<key>", "images": […], "thread_id": "…", "codex_version": "…", "warnings": […]}
    {"event": "failed",  "job": "<key>", "error": {…}, "thread_id": "…"}
    {"event": "dropped", "job": "<key>"}                               (no result: the next batch runs it again)

Only complete lines are read. A line that a kill cut off is skipped, and the next record begins on a new line.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import Any

from codex_imagegen.codex.run import workspace
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import UsageError
from codex_imagegen.files.append_log import AppendLog
from codex_imagegen.values import as_number, as_text

NAME = ".codex-imagegen-batch.jsonl"
HEADER = {"journal": "codex-imagegen-batch", "schema": 1}
_LATEST = 1e11
"""The latest valid time, in Unix seconds: the year 5138."""
_BEGIN, _IDS, _END = "started", ("thread", "request"), ("done", "failed", "dropped")


@dataclass(slots=True)
class _Offsets:
    """The offsets of a job's last lines in the file, or -1: little memory is used for each job."""

    started: int = -1
    ids: int = -1
    ended: int = -1


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The journal's records of a job's last run; ``ended`` None: the run was cut off."""

    started: dict[str, Any]
    ids: dict[str, Any]
    ended: dict[str, Any] | None

    # another program can write a journal, and a disk can damage it: a value of another type counts as missing

    @property
    def folder(self) -> str | None:
        """The private working folder of the run, if it is a valid name of one."""
        folder = _path(self.started.get("folder"))
        return folder if folder and workspace.is_working_folder(folder) else None

    @property
    def started_at(self) -> float | None:
        """When the run began, in Unix seconds."""
        at = as_number(self.started.get("at"))
        return float(at) if at is not None and 0 <= at < _LATEST else None

    @property
    def thread_id(self) -> str | None:
        """The thread that Codex named."""
        thread = as_text(self.ids.get("thread_id"))
        return thread.lower() if thread and layout.THREAD_ID.match(thread) else None

    @property
    def request_id(self) -> str | None:
        """RunComfy's id of the request."""
        return as_text(self.ids.get("request_id"))


class Journal:
    """The journal of a folder, which is created and locked, unless ``read_only``; a context manager.

    Raises as :class:`AppendLog`.

    ``folders`` are the working folders of earlier runs that still exist.
    """

    def __init__(self, folder: str, *, read_only: bool = False) -> None:
        self.folder, self.folders = folder, list[str]()
        self._lock = threading.Lock()
        self._jobs: dict[bytes, _Offsets] = {}
        self._log = AppendLog(os.path.join(folder, NAME), read_only=read_only)
        try:
            self._load(is_new_written=not read_only)
        except BaseException:
            self._log.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._log.close()

    @property
    def path(self) -> str:
        """The path of the file."""
        return self._log.path

    def read_job(self, key: bytes) -> JobRecord | None:
        """The records of a job's last run, or None."""
        with self._lock:
            offsets = self._jobs.get(key)
            if offsets is None:
                return None
            started, ids, ended = (self._log.record_at(at) for at in (offsets.started, offsets.ids, offsets.ended))
        return JobRecord(started or {}, ids or {}, ended)

    def add_started(self, key: bytes, line: int, **more: Any) -> None:
        """Record that a run of the job begins, before anything can be spent."""
        self._add(_BEGIN, key, line=line, at=time.time(), **more)

    def add_thread(self, key: bytes, thread_id: str) -> None:
        """Record the thread that Codex named."""
        self._add("thread", key, thread_id=thread_id)

    def add_request(self, key: bytes, request_id: str) -> None:
        """Record the request that RunComfy accepted."""
        self._add("request", key, request_id=request_id)

    def add_done(self, key: bytes, result: dict[str, Any]) -> None:
        """Record that the picture is on disk."""
        self._add("done", key, **result)

    def add_failed(self, key: bytes, result: dict[str, Any]) -> None:
        """Record that the job failed; it is repeated only on request."""
        self._add("failed", key, **result)

    def add_dropped(self, key: bytes) -> None:
        """Record that the run ended without a result for the job, which is to be run again."""
        self._add("dropped", key)

    def _load(self, *, is_new_written: bool) -> None:
        empty = True
        for at, record in self._log.records():
            empty = False
            if at == 0 and record.get("journal") == HEADER["journal"] and record.get("schema") != HEADER["schema"]:
                raise UsageError(f"the journal {self.path!r} is of a newer version", hint="update codex-imagegen")
            self._index(at, record)
            self._collect_folder(record.get("folder"))
        if empty and is_new_written:
            self._log.add(HEADER)
            self._log.sync_name()

    def _collect_folder(self, folder: object) -> None:
        name = _path(folder)
        if name and workspace.is_working_folder(name) and os.path.isdir(name):
            self.folders.append(name)

    def _index(self, at: int, record: dict[str, Any]) -> None:
        key = _key(record.get("job"))
        if key is None:
            return
        event = record.get("event")
        if event == _BEGIN:
            self._jobs[key] = _Offsets(at)
        elif event in _IDS:
            self._jobs.setdefault(key, _Offsets()).ids = at
        elif event in _END:
            self._jobs.setdefault(key, _Offsets()).ended = at

    def _add(self, event: str, key: bytes, **more: Any) -> None:
        record = {"event": event, "job": key.hex(), **more}
        with self._lock:
            self._index(self._log.add(record), record)


def _path(value: object) -> str | None:
    """The value if it is text that a path can hold, else None."""
    path = as_text(value)
    try:
        return path if path and b"\0" not in os.fsencode(path) else None
    except UnicodeEncodeError:
        return None


def _key(value: object) -> bytes | None:
    try:
        return bytes.fromhex(text) if (text := as_text(value)) and len(text) == 32 else None
    except ValueError:
        return None
