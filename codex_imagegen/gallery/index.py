"""A cache of the pictures found in each session, so that an unchanged session is not read again.

It is one SQLite file for each Codex home, in the user's cache folder. Only its owner can read it, since it contains
prompts. It can be deleted at any time. If it can't be written or is damaged, the run uses an index in memory.
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
from codex_imagegen.platform import descriptors

_VERSION = 2
"""Version of the tables and of the entries; an index with another version is created again."""
_TEMPORARY_ERRORS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}
_TABLES = """
CREATE TABLE sessions (thread TEXT PRIMARY KEY, fingerprint TEXT);
CREATE TABLE pictures (thread TEXT, digest TEXT, time REAL, entry TEXT);
CREATE INDEX by_thread ON pictures (thread);
"""
_SELECT_PICTURES = """
SELECT entry, min(time) AS created FROM pictures JOIN present USING (thread)
GROUP BY digest HAVING created >= ? ORDER BY created DESC, digest
"""
"""Each picture once, from the oldest session that has it: a forked session repeats earlier pictures."""


class Index:
    """The cached sessions. :meth:`mark_present` and :meth:`store` name the sessions of this run."""

    def __init__(self, path: str = ":memory:") -> None:
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def find(self, source: SessionSource) -> list[Entry] | None:
        """The cached entries of an unchanged session, or None."""
        thread = _key(source)
        row = self._database.execute("SELECT fingerprint FROM sessions WHERE thread = ?", (thread,)).fetchone()
        if row is None or row[0] != source.fingerprint:
            return None
        rows = self._database.execute("SELECT entry FROM pictures WHERE thread = ?", (thread,))
        return [_entry(text) for (text,) in rows]

    def mark_present(self, source: SessionSource) -> None:
        """Make this session part of the page."""
        self._database.execute("INSERT OR IGNORE INTO present VALUES (?)", (_key(source),))

    def store(self, source: SessionSource, entries: Sequence[Entry], *, is_complete: bool = True) -> None:
        """Make this session part of the page, with these entries; an incomplete one is read again next time."""
        thread, database = _key(source), self._database
        rows = [(thread, entry.digest, entry.time, entry.to_json()) for entry in entries]
        with database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("DELETE FROM pictures WHERE thread = ?", (thread,))
            database.executemany("INSERT INTO pictures VALUES (?, ?, ?, ?)", rows)
            database.execute(
                "INSERT OR REPLACE INTO sessions VALUES (?, ?)", (thread, source.fingerprint if is_complete else None)
            )
        self.mark_present(source)

    def pictures(self, since: float) -> Iterator[Entry]:
        """The pictures of the page created since that time (Unix seconds), newest first."""
        for text, _created in self._database.execute(_SELECT_PICTURES, (since,)):
            yield _entry(text)

    def delete_others(self) -> None:
        """Delete the sessions that are not part of this run."""
        for table in ("pictures", "sessions"):
            self._database.execute(f"DELETE FROM {table} WHERE thread NOT IN (SELECT thread FROM present)")  # noqa: S608

    def _prepare(self) -> None:
        self._database.execute(
            "PRAGMA journal_mode = WAL"
        )  # each session is committed at once, without a wait for the disk
        self._database.execute("PRAGMA synchronous = NORMAL")
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version != _VERSION:
            for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                self._database.execute(f'DROP TABLE "{name}"')
            self._database.executescript(_TABLES + f"PRAGMA user_version = {_VERSION};")
        self._database.execute("PRAGMA temp_store = MEMORY")
        self._database.execute("CREATE TEMP TABLE present (thread TEXT PRIMARY KEY)")


def index_path(codex_home: str, environment: Mapping[str, str]) -> str:
    """The path of the index of a Codex home."""
    return f"{cache_path(codex_home, environment)}.sqlite"


def cache_path(codex_home: str, environment: Mapping[str, str]) -> str:
    """The path, without a suffix, of what is cached of the gallery of a Codex home, in the user's cache folder."""
    cache = environment.get("XDG_CACHE_HOME") or ""
    if not os.path.isabs(cache):  # as the XDG specification requires
        cache = os.path.join(os.path.expanduser("~"), ".cache")
    name = hashlib.sha256(os.fsencode(codex_home)).hexdigest()[:16]
    return os.path.join(cache, "codex-imagegen", f"gallery-{name}")


def open_index(path: str) -> Index:
    """Open the index; a damaged one is created again, and one that can't be written is in memory."""
    for _attempt in range(2):
        try:
            _create(path)
            return Index(path)
        except sqlite3.Error as error:
            if not delete_index(path, error):
                break
        except OSError:
            break
    return Index()


def delete_index(path: str, error: sqlite3.Error) -> bool:
    """Delete the index after an error; returns False, and keeps it, if it is only locked or the disk is full."""
    if getattr(error, "sqlite_errorcode", None) in _TEMPORARY_ERRORS:
        return False
    for name in (path, f"{path}-wal", f"{path}-shm"):  # a journal without its database would damage the next one
        with contextlib.suppress(OSError):
            os.unlink(name)
    return True


def _create(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptors.create_missing_file(path)


def _key(source: SessionSource) -> str:
    return source.session.thread_id or source.session.path or ""


def _entry(text: str) -> Entry:
    try:
        return from_json(text)
    except (ValueError, TypeError, KeyError) as error:
        raise sqlite3.DatabaseError(f"invalid entry: {error}") from error


@dataclass(frozen=True, slots=True)
class SessionSource:
    """A past session: the bytes of its rollout, and when one of its files last changed (Unix seconds).

    ``fingerprint`` has the path, size and modification time of its rollout and of each saved picture.
    """

    session: SessionRef
    bytes: int
    modified_at: float
    fingerprint: str


def session_sources(codex_home: str) -> Iterator[SessionSource]:
    """All sessions of a home, newest first; no contents are read."""
    for session in history.iter_newest(codex_home):
        yield _source(codex_home, session)


def _source(codex_home: str, session: SessionRef) -> SessionSource:
    files = list(_files(codex_home, session))
    size = files[0][1].st_size if files and files[0][0] == session.path and not session.is_compressed else 0
    modified_at = max([0.0, *(status.st_mtime for _path, status in files)])
    fingerprint = json.dumps([(path, status.st_size, status.st_mtime_ns) for path, status in files])
    return SessionSource(session, size, modified_at, fingerprint)


def _files(codex_home: str, session: SessionRef) -> Iterator[tuple[str, os.stat_result]]:
    if session.path:
        try:
            yield session.path, os.stat(session.path, follow_symlinks=False)
        except OSError:
            pass  # it was deleted meanwhile; reading it gives the warning
    if session.thread_id:
        yield from fallback.list_saved_files(layout.pictures_folder(codex_home, session.thread_id))
