"""What was found in each session the last time, in the user's cache folder: an unchanged one is not read again.

A SQLite file for each Codex home, readable by its owner alone, since prompts are in it. It can be deleted at any time.
Where it can't be kept or is damaged, the same index is made in memory, for one run.

What a session is read from, and how it is known that nothing of that has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from codex_imagegen.codex.sessions import fallback, history, layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.gallery.entry import Entry, from_json

_VERSION = 1
"""Of what is read and of how it is kept; an index of another version is made anew."""
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}
_TABLES = """
CREATE TABLE sessions (thread TEXT PRIMARY KEY, mark TEXT);
CREATE TABLE pictures (thread TEXT, digest TEXT, time REAL, entry TEXT);
CREATE INDEX by_thread ON pictures (thread);
"""
_SHOWN = """
SELECT entry, min(time) AS made FROM pictures JOIN here USING (thread)
GROUP BY digest HAVING made >= ? ORDER BY made DESC, digest
"""
"""Each picture once, in the oldest session that holds it: a forked session repeats what was made before."""


class Index:
    """The sessions that are known; those of this run are named by :meth:`keep` or :meth:`put`."""

    def __init__(self, path: str = ":memory:") -> None:
        self._base = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._base.close()
            raise

    def close(self) -> None:
        """Let the file go."""
        self._base.close()

    def known(self, source: SessionSource) -> list[Entry] | None:
        """What an unchanged session held, or None."""
        thread = _key(source)
        row = self._base.execute("SELECT mark FROM sessions WHERE thread = ?", (thread,)).fetchone()
        if row is None or row[0] != source.mark:
            return None
        rows = self._base.execute("SELECT entry FROM pictures WHERE thread = ?", (thread,))
        return [_entry(text) for (text,) in rows]

    def keep(self, source: SessionSource) -> None:
        """This session is part of the page."""
        self._base.execute("INSERT OR IGNORE INTO here VALUES (?)", (_key(source),))

    def put(self, source: SessionSource, entries: Sequence[Entry], *, whole: bool = True) -> None:
        """This session is part of the page and holds these; it is read again next time if it was not read ``whole``."""
        thread, base = _key(source), self._base
        rows = [(thread, entry.digest, entry.time, entry.to_json()) for entry in entries]
        with base:
            base.execute("BEGIN IMMEDIATE")
            base.execute("DELETE FROM pictures WHERE thread = ?", (thread,))
            base.executemany("INSERT INTO pictures VALUES (?, ?, ?, ?)", rows)
            base.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?)", (thread, source.mark if whole else None))
        self.keep(source)

    def pictures(self, since: float) -> Iterator[Entry]:
        """Every picture of the page that was made since then (Unix seconds), newest first."""
        for text, _made in self._base.execute(_SHOWN, (since,)):
            yield _entry(text)

    def forget_others(self) -> None:
        """Drop the sessions that are no longer there."""
        for table in ("pictures", "sessions"):
            self._base.execute(f"DELETE FROM {table} WHERE thread NOT IN (SELECT thread FROM here)")  # noqa: S608

    def _prepare(self) -> None:
        self._base.execute("PRAGMA journal_mode = WAL")  # each session is written at once, and costs no wait
        self._base.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._base.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            for (name,) in self._base.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                self._base.execute(f'DROP TABLE "{name}"')
            self._base.executescript(_TABLES + f"PRAGMA user_version = {_VERSION};")
        self._base.execute("PRAGMA temp_store = MEMORY")
        self._base.execute("CREATE TEMP TABLE here (thread TEXT PRIMARY KEY)")


def path_of(codex_home: str, environment: Mapping[str, str]) -> str:
    """Where the index of a home is kept."""
    cache = environment.get("XDG_CACHE_HOME") or ""
    if not os.path.isabs(cache):  # as the XDG specification has it
        cache = os.path.join(os.path.expanduser("~"), ".cache")
    name = hashlib.sha256(os.fsencode(codex_home)).hexdigest()[:16]
    return os.path.join(cache, "codex-imagegen", f"gallery-{name}.sqlite")


def opened(path: str) -> Index:
    """The index at a path; one that is damaged is made anew, and one that can't be kept is in memory."""
    for _attempt in range(2):
        try:
            _make(path)
            return Index(path)
        except sqlite3.Error as error:
            if not drop(path, error):
                break
        except OSError:
            break
    return Index()


def drop(path: str, error: sqlite3.Error) -> bool:
    """Remove an index after an error of it; gives back False where it is in use or its disk is full, and no worse."""
    if getattr(error, "sqlite_errorcode", None) in _PASSING:
        return False
    for name in (path, f"{path}-wal", f"{path}-shm"):  # a journal without its file would spoil the next one
        with contextlib.suppress(OSError):
            os.unlink(name)
    return True


def _make(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def _key(source: SessionSource) -> str:
    return source.past.thread_id or source.past.path or ""


def _entry(text: str) -> Entry:
    try:
        return from_json(text)
    except (ValueError, TypeError, KeyError) as error:
        raise sqlite3.DatabaseError(f"no entry: {error}") from error


@dataclass(frozen=True, slots=True)
class SessionSource:
    """A past session: ``bytes`` that its rollout has, ``changed`` when anything of it was last written (Unix seconds).

    ``mark`` names path, size and time of change of its rollout and of each saved picture.
    """

    past: SessionRef
    bytes: int
    changed: float
    mark: str


def session_sources(codex_home: str) -> Iterator[SessionSource]:
    """Every session of a home, newest first; no contents are read."""
    for past in history.newest(codex_home):
        yield _source(codex_home, past)


def _source(codex_home: str, past: SessionRef) -> SessionSource:
    files = list(_files(codex_home, past))
    size = files[0][1].st_size if files and files[0][0] == past.path and not past.is_compressed else 0
    changed = max([0.0, *(status.st_mtime for _path, status in files)])
    mark = json.dumps([(path, status.st_size, status.st_mtime_ns) for path, status in files])
    return SessionSource(past, size, changed, mark)


def _files(codex_home: str, past: SessionRef) -> Iterator[tuple[str, os.stat_result]]:
    if past.path:
        try:
            yield past.path, os.stat(past.path, follow_symlinks=False)
        except OSError:
            pass  # it is gone by now: what reads it will say so
    if past.thread_id:
        yield from fallback.saved_files(layout.pictures_folder(codex_home, past.thread_id))
