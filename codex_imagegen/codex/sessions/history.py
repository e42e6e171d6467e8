"""Past rollouts: found by thread, newest first, or by their last change, wherever Codex keeps them.

Names and times of change are asked of the file system; of contents, only :func:`ended` reads the end of a rollout.
"""

from __future__ import annotations

import heapq
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from codex_imagegen.codex.sessions import layout, rollout
from codex_imagegen.codex.sessions.tail import HEAD

_NAME = re.compile(
    r"rollout-(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)-(?P<thread>[0-9a-fA-F-]{36})\.jsonl(?P<packed>\.zst)?\Z"
)
_DEPTH = 3
"""Folders below ``sessions/``: year, month, day."""

_END_BYTES = 65_536
"""What is read of a rollout's end: the records behind a picture are small."""


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A past session: ``path`` is its rollout, or None where nothing but its folder of pictures is left."""

    thread_id: str | None
    path: str | None

    @property
    def is_compressed(self) -> bool:
        """Whether the rollout is compressed, as Codex does with cold ones."""
        return self.path is not None and self.path.endswith(".zst")

    @property
    def created_at(self) -> float:
        """When it began, in Unix seconds: what the thread's id says, else the rollout's name, else 0."""
        born = layout.created_at(self.thread_id) if self.thread_id else None
        named = _NAME.search(os.path.basename(self.path)) if self.path and born is None else None
        if named is not None:
            try:
                born = time.mktime(time.strptime(named["time"], "%Y-%m-%dT%H-%M-%S"))
            except (ValueError, OverflowError):
                born = None
        return born or 0.0


def find(codex_home: str, thread_id: str) -> SessionRef | None:
    """The session of a thread: looked for in the days that its id names, then everywhere; None: nowhere."""
    born = layout.created_at(thread_id)
    days = layout.folders(codex_home, born) if born is not None else []
    for folder in days:
        found = _of_thread(_walk(folder, depth=0), thread_id)
        if found and not found.is_compressed:
            return found
    found = _of_thread(everywhere(codex_home), thread_id)
    if found is None and _is_folder(layout.pictures_folder(codex_home, thread_id)):
        return SessionRef(thread_id, None)
    return found


def ref_of_file(path: str) -> SessionRef:
    """The session of a rollout file; raises OSError where there is none, :class:`ValueError` where it is no file."""
    path = os.path.abspath(path)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no file")
    named = _NAME.match(os.path.basename(path))
    owner = None if path.endswith(".zst") else layout.read_meta(path)
    thread = owner.thread_id if owner else named["thread"] if named else None
    return SessionRef(thread if thread and layout.THREAD_ID.match(thread) else None, path)


def newest(codex_home: str) -> Iterator[SessionRef]:
    """Every past session, newest first, each once; folders are listed as they are come to."""
    named = rollouts(codex_home)
    # for equal times, which a thread's rollout and its pictures have, the first of these wins
    seen = set()
    for past in heapq.merge(named, _archived(codex_home), _pictures(codex_home), key=_time, reverse=True):
        if past.thread_id not in seen:
            seen.add(past.thread_id)
            yield past if past.path else _with_rollout(codex_home, past)


def changed(codex_home: str) -> list[tuple[float, SessionRef]]:
    """Every rollout, and every folder of pictures without one, with when it was last changed; the latest first.

    In Unix seconds. A session that is gone on with keeps its name and its place, and changes all the same: so each is
    asked for, at some microseconds each.
    """
    folders = {past.thread_id: _pictures_changed(codex_home, past) for past in _pictures(codex_home)}
    pasts = list(everywhere(codex_home))
    alone = folders.keys() - {past.thread_id for past in pasts}
    found = [(max(_mtime(past.path or ""), folders.get(past.thread_id, 0.0), past.created_at), past) for past in pasts]
    found += [(folders[thread], SessionRef(thread, None)) for thread in alone]
    return sorted(found, key=lambda one: (one[0], one[1].created_at), reverse=True)


def ended(codex_home: str, past: SessionRef, changed: float) -> float:
    """When the last record or picture of a session was written; ``changed`` where its rollout does not tell.

    A copy or a backup may have changed the rollout since.
    """
    try:
        with open(past.path or "", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _END_BYTES))
            lines = file.read(_END_BYTES).split(b"\n")
    except OSError:
        return changed
    told = max(filter(None, (rollout.time_of(line[:HEAD]) for line in lines)), default=changed)
    return max(told, _pictures_changed(codex_home, past))


def doubled(codex_home: str) -> set[str]:
    """The threads that more than one rollout bears the name of, in whatever folder and however packed."""
    counted = Counter(past.thread_id for past in (*rollouts(codex_home), *_archived(codex_home)) if past.thread_id)
    return {thread_id for thread_id, count in counted.items() if count > 1}


def rollouts(codex_home: str) -> Iterator[SessionRef]:
    """The rollouts in ``sessions/`` by their names, latest first; folders are listed as they are come to."""
    return _walk(_sessions(codex_home), _DEPTH)


def _time(past: SessionRef) -> float:
    return past.created_at


def _archived(codex_home: str) -> list[SessionRef]:
    return sorted(_walk(_archive(codex_home), depth=_DEPTH), key=_time, reverse=True)


def _pictures(codex_home: str) -> list[SessionRef]:
    """The folders of pictures, whose rollouts may be gone."""
    names = [name for name, is_folder, _ in _entries(os.path.join(codex_home, "generated_images")) if is_folder]
    return sorted((SessionRef(name, None) for name in names if layout.THREAD_ID.match(name)), key=_time, reverse=True)


def _pictures_changed(codex_home: str, past: SessionRef) -> float:
    return _mtime(layout.pictures_folder(codex_home, past.thread_id)) if past.thread_id else 0.0


def _mtime(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _with_rollout(codex_home: str, past: SessionRef) -> SessionRef:
    """The same with its rollout, where a change of the clock put their names in another order."""
    return SessionRef(past.thread_id, layout.named(layout.folders(codex_home, past.created_at), past.thread_id or ""))


def _sessions(codex_home: str) -> str:
    return os.path.join(codex_home, "sessions")


def _archive(codex_home: str) -> str:
    return os.path.join(codex_home, "archived_sessions")


def everywhere(codex_home: str) -> Iterator[SessionRef]:
    """Every rollout, in no order across its two places; compressed copies too."""
    yield from _walk(_sessions(codex_home), _DEPTH)
    yield from _walk(_archive(codex_home), _DEPTH)


def _of_thread(pasts: Iterator[SessionRef], thread_id: str) -> SessionRef | None:
    """The rollout of a thread; one that is compressed only where there is no other."""
    packed = None
    for past in pasts:
        if past.thread_id == thread_id:
            if not past.is_compressed:
                return past
            packed = past
    return packed


def _walk(folder: str, depth: int) -> Iterator[SessionRef]:
    """The rollouts in a folder, latest name first, each before its compressed copy; links are not followed."""
    for name, is_folder, is_file in sorted(_entries(folder), key=_latest, reverse=True):
        path = os.path.join(folder, name)
        named = _NAME.match(name) if is_file else None
        if named is not None and layout.THREAD_ID.match(named["thread"]):
            yield SessionRef(named["thread"].lower(), path)
        elif is_folder and depth:
            yield from _walk(path, depth - 1)


def _latest(entry: tuple[str, bool, bool]) -> tuple[str, bool]:
    return entry[0].removesuffix(".zst"), not entry[0].endswith(".zst")


def _entries(folder: str) -> Iterator[tuple[str, bool, bool]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)
    except OSError:
        return


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False
