"""The layout of a Codex home: day folders, names of rollouts, and their first records.

A run lists only the folders of yesterday, today and tomorrow (because of midnight and time zones), however long the
user's history is. It reads only the first record of another run's rollout.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from codex_imagegen.errors import UsageError
from codex_imagegen.values import as_object, as_text, parse_object

MAX_FIRST_RECORD = 4 * 1024 * 1024
"""Bytes of a first record at most; the largest seen has 23 KB (0.169.0)."""

THREAD_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_PREFIX, _SUFFIX = "rollout-", ".jsonl"


@dataclass(frozen=True, slots=True)
class SessionMeta:
    """A rollout's first record: the thread, its working folder, and the version of Codex that wrote it.

    ``source`` is the kind of Codex that started it: ``exec``, ``cli``, ``vscode``; None where it has another shape.
    ``forked_from`` is the thread of which this one is a fork.
    """

    thread_id: str
    cwd: str | None
    codex_version: str | None
    source: str | None = None
    forked_from: str | None = None


def codex_home(environment: Mapping[str, str]) -> str:
    """The Codex home as an absolute path without symlinks (a file watcher on a symlink reports nothing)."""
    return os.path.realpath(environment.get("CODEX_HOME") or os.path.join(os.path.expanduser("~"), ".codex"))


def with_codex_home(codex_home: str | None, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment with another Codex home, where one is given."""
    return environment if codex_home is None else {**environment, "CODEX_HOME": codex_home}


def check_home(codex_home: str | None) -> None:
    """Raise :class:`UsageError` for a Codex home that is not a folder."""
    if codex_home is not None and not os.path.isdir(codex_home):
        hint = "name an existing folder in which Codex is logged in"
        raise UsageError(f"the Codex home {codex_home!r} is not a folder", hint=hint)


def list_day_folders(codex_home: str, now: float | None = None) -> list[str]:
    """The day folders that a run at this time may write to, existing or not: today's, yesterday's, tomorrow's."""
    today = time.localtime(now)
    # counted from noon, because the first day of summer time has 23 hours
    noons = [(today.tm_year, today.tm_mon, today.tm_mday + offset, 12, 0, 0, 0, 0, -1) for offset in (0, -1, 1)]
    days = [time.localtime(time.mktime(noon)) for noon in noons]
    return [os.path.join(codex_home, "sessions", time.strftime("%Y/%m/%d", day)) for day in days]


def snapshot(day_folders: Iterable[str]) -> dict[str, int]:
    """The size in bytes of every rollout in these folders."""
    return {path: size for folder in day_folders for path, size in _rollouts(folder)}


def find_grown(day_folders: Iterable[str], before: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Yield path and old size of each rollout that is new or has grown since the snapshot."""
    for folder in day_folders:
        for path, size in _rollouts(folder):
            if size > before.get(path, 0):
                yield path, before.get(path, 0)


def find_rollout(day_folders: Iterable[str], thread_id: str) -> str | None:
    """Find the rollout whose name ends with this thread id."""
    ending = f"-{thread_id}{_SUFFIX}"
    for folder in day_folders:
        for name in _names(folder):
            if name.endswith(ending):
                return os.path.join(folder, name)
    return None


def list_thread_ids(folder: str) -> Iterator[str]:
    """Yield the thread ids in the names of a folder's rollouts."""
    for name in _names(folder):
        thread = name.removeprefix(_PREFIX).partition(_SUFFIX)[0][-36:]
        if name.startswith(_PREFIX) and THREAD_ID.match(thread):
            yield thread


def read_meta(path: str) -> SessionMeta | None:
    """Read a rollout's first record; None while it is incomplete, or if it is not a ``session_meta``."""
    return parse_meta(read_first_line(path))


def read_first_line(path: str) -> bytes:
    """Read the bytes of the first record; empty where the file can't be read."""
    try:
        with open(path, "rb") as file:
            return file.readline(MAX_FIRST_RECORD)
    except OSError:
        return b""


def parse_meta(line: bytes) -> SessionMeta | None:
    """Parse a first line; None if it is incomplete, or not a ``session_meta``."""
    if not line.endswith(b"\n"):
        return None
    record = parse_object(line) or {}
    payload = as_object(record.get("payload") if record.get("type") == "session_meta" else None)
    thread = as_text(payload.get("id"))
    if thread is None or not THREAD_ID.match(thread):
        return None  # the id becomes part of a path
    return SessionMeta(
        thread, *(as_text(payload.get(key)) for key in ("cwd", "cli_version", "source", "forked_from_id"))
    )


def created_at(thread_id: str) -> float | None:
    """When a thread was created, in Unix seconds: Codex's ids are UUIDs of version 7, which begin with the time."""
    digits = thread_id.replace("-", "")
    return int(digits[:12], 16) / 1000 if digits[12:13] == "7" else None


def pictures_folder(codex_home: str, thread_id: str) -> str:
    """Where Codex (from 0.117.0) saves a thread's pictures; ``thread_id`` must match :data:`THREAD_ID`."""
    return os.path.join(codex_home, "generated_images", thread_id)


def _rollouts(folder: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(_PREFIX) and entry.name.endswith(_SUFFIX):
                    try:
                        yield entry.path, entry.stat(follow_symlinks=False).st_size
                    except OSError:
                        continue
    except OSError:
        return


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
