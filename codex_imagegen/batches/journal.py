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

import os
import threading
import time
from dataclasses import dataclass
from typing import Any

from codex_imagegen.codex.run import workspace
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import UsageError
from codex_imagegen.files.append_log import AppendLog

NAME = ".codex-imagegen-batch.jsonl"
HEADER = {"journal": "codex-imagegen-batch", "schema": 1}
_LATEST = 1e11
"""A later moment, in Unix seconds, is none: the year 5138."""
_BEGIN, _TOLD, _END = "started", ("thread", "request"), ("done", "failed", "dropped")


@dataclass(slots=True)
class _Places:
    """Where in the file a job's last lines begin, or -1: little is kept of each job."""

    started: int = -1
    told: int = -1
    ended: int = -1


@dataclass(frozen=True, slots=True)
class JobRecord:
    """The last run of a job as the journal tells it; ``ended`` None: it was cut off."""

    started: dict[str, Any]
    told: dict[str, Any]
    ended: dict[str, Any] | None

    # Anybody can write a journal, and a disk can spoil one: what is read of it is of its type, or it is not there.

    @property
    def folder(self) -> str | None:
        """The private working folder of the run, if a run can have had that one."""
        folder = _text(self.started.get("folder"))
        return folder if folder and workspace.is_ours(folder) else None

    @property
    def started_at(self) -> float | None:
        """When it began, in Unix seconds."""
        at = self.started.get("at")
        return float(at) if isinstance(at, (int, float)) and 0 <= at < _LATEST else None

    @property
    def thread_id(self) -> str | None:
        """The thread that Codex named."""
        thread = _text(self.told.get("thread_id"))
        return thread.lower() if thread and layout.THREAD_ID.match(thread) else None

    @property
    def request_id(self) -> str | None:
        """RunComfy's id of it."""
        return _text(self.told.get("request_id")) or None


class Journal:
    """A context over the journal of a folder, which it makes; nobody else has it meanwhile. Raises as :class:`Lines`.

    ``folders`` are the private folders of earlier runs that are still there.
    """

    def __init__(self, folder: str) -> None:
        self.folder, self.folders = folder, list[str]()
        self._lock = threading.Lock()
        self._jobs: dict[bytes, _Places] = {}
        self._lines = AppendLog(os.path.join(folder, NAME))
        try:
            self._load()
        except BaseException:
            self._lines.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    @property
    def path(self) -> str:
        """Where it is."""
        return self._lines.path

    def trace(self, key: bytes) -> JobRecord | None:
        """What is known of a job, or None."""
        with self._lock:
            places = self._jobs.get(key)
            if places is None:
                return None
            started, told, ended = (self._lines.record_at(at) for at in (places.started, places.told, places.ended))
        return JobRecord(started or {}, told or {}, ended)

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

    def _load(self) -> None:
        empty = True
        for at, record in self._lines.records():
            empty = False
            if at == 0 and record.get("journal") == HEADER["journal"] and record.get("schema") != HEADER["schema"]:
                raise UsageError(f"the journal {self.path!r} is of a newer version", hint="update codex-imagegen")
            self._note(at, record)
            self._left(record.get("folder"))
        if empty:
            self._lines.add(HEADER)
            self._lines.sync_name()

    def _left(self, folder: object) -> None:
        name = _text(folder)
        if name and workspace.is_ours(name) and os.path.isdir(name):
            self.folders.append(name)

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

    def _add(self, event: str, key: bytes, **more: Any) -> None:
        record = {"event": event, "job": key.hex(), **more}
        with self._lock:
            self._note(self._lines.add(record), record)


def _text(value: object) -> str | None:
    """A string that can also be part of a path."""
    if not isinstance(value, str) or "\0" in value:
        return None
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return None
    return value


def _key(value: object) -> bytes | None:
    try:
        return bytes.fromhex(value) if isinstance(value, str) and len(value) == 32 else None
    except ValueError:
        return None
