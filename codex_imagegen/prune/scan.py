"""Which sessions in a Codex home are our own runs'. Of every session the first record is read.

A session is ours where three things say so: it is a ``codex exec`` that nobody forked, it worked in a folder of a name
that our runs make up, and its model was told what our runs tell it. The folder's name alone is no proof, since a user
can start a Codex there; only where it is right, more than the first record is read.
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
from codex_imagegen.codex.sessions.tail import Tail

_PLACES = ("sessions", "archived_sessions", "generated_images")
_MARKS = (workspace.PREFIX.encode(), b'"forked_from_id"')
"""A first record without either of them is not worth parsing: it has 20 KB, and there are tens of thousands."""

_SOURCE = "exec"
"""Our runs are ``codex exec``. Its name for the client is no proof: a fork inherits it, and a variable overrides it."""


WORDS = (b"This is a run of a picture-making command",)
"""How ``codex.command.INSTRUCTIONS`` begins, in each version of this program."""

_DEVELOPER = b'"role":"developer"'


@dataclass(frozen=True, slots=True)
class OwnSession:
    """A session of our own: its rollout as it was when we looked, and what its pictures take besides.

    ``began`` is in Unix seconds, ``bytes`` is the rollout's size, ``picture_bytes`` that of the files in its folder of
    ``generated_images``.
    """

    thread_id: str
    path: str
    folder: str
    began: float
    status: os.stat_result
    picture_bytes: int = 0

    @property
    def bytes(self) -> int:
        """All that it takes on disk."""
        return self.status.st_size + self.picture_bytes

    @property
    def changed(self) -> float:
        """When something last became of it, in Unix seconds."""
        return max(self.began, self.status.st_mtime)


@dataclass(slots=True)
class ScanResult:
    """Our own sessions, newest first; of the others, how many there are and which threads some of them go on from.

    ``packed`` counts the compressed rollouts, of which nobody can tell here whose they are; ``linked`` are the places
    that are symbolic links, behind which nothing is looked for.
    """

    own: list[OwnSession] = field(default_factory=list)
    looked: int = 0
    packed: int = 0
    forked: set[str] = field(default_factory=set)
    linked: list[str] = field(default_factory=list)


def scan(codex_home: str, tell: Callable[[int], None]) -> ScanResult:
    """Look at every session; ``tell`` hears how many it were so far."""
    census = ScanResult()
    paths = [os.path.join(codex_home, place) for place in _PLACES]
    census.linked = [path for path in paths if os.path.islink(path)]
    doubled = history.doubled(codex_home)
    for past in history.newest(codex_home):
        if past.path is None or any(past.path.startswith(link + os.sep) for link in census.linked):
            continue
        census.looked += 1
        tell(census.looked)
        if past.is_compressed:
            census.packed += 1
        else:
            _look(codex_home, past, census, doubled)
    return census


def _look(codex_home: str, past: SessionRef, census: ScanResult, doubled: Set[str]) -> None:
    line = layout.first_line(past.path or "")
    owner = layout.parse_meta(line) if any(mark in line for mark in _MARKS) else None
    if owner is None:
        return
    if owner.forked_from:
        census.forked.add(owner.forked_from.lower())
    own = _own(codex_home, past, owner, census.linked, doubled)
    if own is not None:
        census.own.append(own)


def _own(
    codex_home: str, past: SessionRef, owner: layout.SessionMeta, linked: list[str], doubled: Set[str]
) -> OwnSession | None:
    """The session as one of ours; None where anything about it says otherwise."""
    ours = owner.source == _SOURCE and owner.cwd is not None and workspace.is_ours(owner.cwd)
    if not ours or owner.forked_from or owner.thread_id.lower() != past.thread_id or past.path is None:
        return None
    if past.thread_id in doubled or os.path.realpath(past.path) != past.path:
        return None  # of two rollouts one may be another's, and what lies behind a link lies elsewhere
    try:
        status = os.lstat(past.path)
        if not _is_told(past.path):
            return None
    except OSError:  # gone again
        return None
    folder = layout.pictures_folder(codex_home, past.thread_id)
    pictures = 0 if os.path.dirname(folder) in linked else _size(folder)
    return OwnSession(past.thread_id, past.path, owner.cwd or "", past.created_at, status, pictures)


def _is_told(path: str) -> bool:
    """Whether a record says that the model was told what our runs tell it; in a user's words every quote is escaped."""
    with closing(Tail(path, wants=lambda head: _DEVELOPER in head)) as rollout:
        return any(words in line for line in rollout.lines() for words in WORDS)


def _size(folder: str) -> int:
    """The bytes of the regular files in a folder; 0 where it is none, or a link."""
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return 0
        with os.scandir(folder) as entries:
            return sum(e.stat(follow_symlinks=False).st_size for e in entries if e.is_file(follow_symlinks=False))
    except OSError:
        return 0
