"""Find the sessions in a Codex home that this program's own runs made.

The first record of every session is read. A session is this program's own if ``codex exec`` started it, it is not a
fork, its working folder has a name that only this program's runs use, and its model received the instructions of these
runs. The folder's name alone proves nothing, since a user can start a Codex there; more than the first record is read
only if the name matches.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Set
from contextlib import closing
from dataclasses import dataclass, field

from codex_imagegen.codex.run import workspace
from codex_imagegen.codex.sessions import history, layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.codex.sessions.layout import SessionMeta
from codex_imagegen.codex.sessions.tail import Tail

INSTRUCTIONS = (b"This is a run of a picture-making command",)
"""The beginning of ``codex.run.command.INSTRUCTIONS`` in each version of this program."""

_FOLDERS = ("sessions", "archived_sessions", "generated_images")
_MARKS = (workspace.PREFIX.encode(), b'"forked_from_id"')
"""A first record without either is not parsed: it has 20 KB, and there are tens of thousands."""

_SOURCE = "exec"
"""The source of this program's runs. The client's name proves nothing: forks inherit it, and a variable sets it."""

_DEVELOPER = b'"role":"developer"'


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session of this program: its rollout at the time of the scan, and the size of its pictures.

    ``created_at`` is in Unix seconds. ``picture_bytes`` counts the files in its folder of ``generated_images``.
    """

    thread_id: str
    path: str
    folder: str
    created_at: float
    status: os.stat_result
    picture_bytes: int = 0

    @property
    def bytes(self) -> int:
        """Bytes on disk: the rollout and the pictures."""
        return self.status.st_size + self.picture_bytes

    @property
    def changed_at(self) -> float:
        """The last change of the rollout, in Unix seconds."""
        return max(self.created_at, self.status.st_mtime)


@dataclass(slots=True)
class ScanResult:
    """This program's own sessions, newest first, and counts of the others.

    ``scanned`` counts all sessions. ``forked`` are the threads that have a fork. ``compressed`` counts the compressed
    rollouts, whose first record can't be read here. ``links`` are folders that are symbolic links, which are not
    searched.
    """

    own: list[OwnSession] = field(default_factory=list)
    scanned: int = 0
    compressed: int = 0
    forked: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)


def scan(codex_home: str, on_progress: Callable[[int], None]) -> ScanResult:
    """Scan every session; ``on_progress`` receives the number of sessions scanned so far."""
    result = ScanResult()
    paths = [os.path.join(codex_home, folder) for folder in _FOLDERS]
    result.links = [path for path in paths if os.path.islink(path)]
    duplicates = history.find_duplicates(codex_home)
    for ref in history.iter_newest(codex_home):
        if ref.path is None or any(ref.path.startswith(link + os.sep) for link in result.links):
            continue
        result.scanned += 1
        on_progress(result.scanned)
        if ref.is_compressed:
            result.compressed += 1
        else:
            _scan_session(codex_home, ref, result, duplicates)
    return result


def _scan_session(codex_home: str, ref: SessionRef, result: ScanResult, duplicates: Set[str]) -> None:
    line = layout.read_first_line(ref.path or "")
    meta = layout.parse_meta(line) if any(mark in line for mark in _MARKS) else None
    if meta is None:
        return
    if meta.forked_from:
        result.forked.add(meta.forked_from.lower())
    session = _own_session(codex_home, ref, meta, result.links, duplicates)
    if session is not None:
        result.own.append(session)


def _own_session(
    codex_home: str, ref: SessionRef, meta: SessionMeta, links: list[str], duplicates: Set[str]
) -> OwnSession | None:
    """The session as one of this program's own, or None if anything contradicts that."""
    is_own = meta.source == _SOURCE and meta.cwd is not None and workspace.is_working_folder(meta.cwd)
    if not is_own or meta.forked_from or meta.thread_id.lower() != ref.thread_id or ref.path is None:
        return None
    if ref.thread_id in duplicates or os.path.realpath(ref.path) != ref.path:
        return None  # one of two rollouts may be a copy, and the target of a link is elsewhere
    try:
        status = os.lstat(ref.path)
        if not _has_instructions(ref.path):
            return None
    except OSError:  # deleted meanwhile
        return None
    folder = layout.pictures_folder(codex_home, ref.thread_id)
    picture_bytes = 0 if os.path.dirname(folder) in links else _folder_bytes(folder)
    return OwnSession(ref.thread_id, ref.path, meta.cwd or "", ref.created_at, status, picture_bytes)


def _has_instructions(path: str) -> bool:
    """Whether the model received this program's instructions. In a user's message every quote is escaped."""
    with closing(Tail(path, wants=lambda head: _DEVELOPER in head)) as tail:
        return any(text in line for line in tail.lines() for text in INSTRUCTIONS)


def _folder_bytes(folder: str) -> int:
    """The bytes of the regular files in a folder; 0 where there is no folder, or a link."""
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return 0
        with os.scandir(folder) as entries:
            return sum(e.stat(follow_symlinks=False).st_size for e in entries if e.is_file(follow_symlinks=False))
    except OSError:
        return 0
