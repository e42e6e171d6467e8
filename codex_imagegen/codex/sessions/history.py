"""List past sessions: by thread, newest first, or by last change, in all folders where Codex keeps them.

Names and times of change come from the file system. Only :func:`read_last_write` reads contents: the end of a rollout.
"""

from __future__ import annotations

import bisect
import heapq
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codex_imagegen.codex.sessions import layout, rollout
from codex_imagegen.codex.sessions.tail import HEAD

_NAME = re.compile(
    r"rollout-(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)-(?P<thread>[0-9a-fA-F-]{36})\.jsonl(?P<packed>\.zst)?\Z"
)
_DEPTH = 3
"""Folders below ``sessions/``: year, month, day."""

SHORT_ID = 8
"""The characters that a shortened thread id has at least. An id begins with its time: eight are the same for 66 s."""

_END_BYTES = 65_536
"""What is read of a rollout's end: the records after a picture are small."""


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A past session. ``path`` is its rollout, or None where only its folder of pictures is left."""

    thread_id: str | None
    path: str | None

    @property
    def is_compressed(self) -> bool:
        """Whether Codex has compressed the rollout, as it does with old ones."""
        return self.path is not None and self.path.endswith(".zst")

    @property
    def created_at(self) -> float:
        """When it was created, in Unix seconds: by the thread's id, else by the rollout's name, else 0."""
        created = layout.created_at(self.thread_id) if self.thread_id else None
        match = _NAME.search(os.path.basename(self.path)) if self.path and created is None else None
        if match is not None:
            try:
                created = time.mktime(time.strptime(match["time"], "%Y-%m-%dT%H-%M-%S"))
            except (ValueError, OverflowError):
                created = None
        return created or 0.0


def find_session(codex_home: str, thread_id: str) -> SessionRef | None:
    """Find the session of a thread: in the days that its id names, then everywhere; None where there is none."""
    created = layout.created_at(thread_id)
    days = layout.list_day_folders(codex_home, created) if created is not None else []
    for folder in days:
        found = _find_thread(_walk(folder, depth=0), thread_id)
        if found and not found.is_compressed:
            return found
    found = _find_thread(iter_all_rollouts(codex_home), thread_id)
    if found is None and _is_folder(layout.pictures_folder(codex_home, thread_id)):
        return SessionRef(thread_id, None)
    return found


def list_thread_ids(codex_home: str) -> list[str]:
    """The ids of all threads in order, by the names of files and folders alone (0.2 s for 60,000 rollouts)."""
    refs = (*iter_all_rollouts(codex_home), *_picture_folders(codex_home))
    return sorted({ref.thread_id.lower() for ref in refs if ref.thread_id})


def find_by_beginning(thread_ids: Sequence[str], beginning: str) -> list[str]:
    """Those of the ordered ids that begin so."""
    first = last = bisect.bisect_left(thread_ids, beginning)
    while last < len(thread_ids) and thread_ids[last].startswith(beginning):
        last += 1
    return list(thread_ids[first:last])


def shorten(thread_id: str, thread_ids: Sequence[str]) -> str:
    """The shortest beginning of an id, of :data:`SHORT_ID` characters at least, that no other ordered id has."""
    place = bisect.bisect_left(thread_ids, thread_id)
    neighbours = [other for other in thread_ids[max(0, place - 1) : place + 2] if other != thread_id]
    shared = max((_count_shared(thread_id, other) for other in neighbours), default=0)
    return thread_id[: max(SHORT_ID, shared + 1)]


def _count_shared(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (left, right) in pairs if left != right), min(len(one), len(other)))


def read_ref(path: str) -> SessionRef:
    """The session of a rollout file; raises OSError where it is missing, :class:`ValueError` for a folder or device."""
    path = os.path.abspath(path)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is not a file")
    match = _NAME.match(os.path.basename(path))
    meta = None if path.endswith(".zst") else layout.read_meta(path)
    thread = meta.thread_id if meta else match["thread"] if match else None
    return SessionRef(thread if thread and layout.THREAD_ID.match(thread) else None, path)


def iter_newest(codex_home: str) -> Iterator[SessionRef]:
    """Yield every past session once, newest first. Folders are listed only when they are reached."""
    # a thread's rollout and its pictures have equal times: the first of these wins
    sources = iter_rollouts(codex_home), _archived(codex_home), _picture_folders(codex_home)
    seen = set()
    for ref in heapq.merge(*sources, key=_created_at, reverse=True):
        if ref.thread_id not in seen:
            seen.add(ref.thread_id)
            yield ref if ref.path else _with_rollout(codex_home, ref)


def list_by_change(codex_home: str) -> list[tuple[float, SessionRef]]:
    """Every rollout, and every folder of pictures without one, with its time of last change; the latest first.

    Times are Unix seconds. A resumed session keeps its name and its place, so the file system is queried for each
    session, at some microseconds each.
    """
    folders = {ref.thread_id: _pictures_mtime(codex_home, ref) for ref in _picture_folders(codex_home)}
    refs = list(iter_all_rollouts(codex_home))
    without_rollout = folders.keys() - {ref.thread_id for ref in refs}
    found = [(max(_mtime(ref.path or ""), folders.get(ref.thread_id, 0.0), ref.created_at), ref) for ref in refs]
    found += [(folders[thread], SessionRef(thread, None)) for thread in without_rollout]
    return sorted(found, key=lambda item: (item[0], item[1].created_at), reverse=True)


def read_last_write(codex_home: str, ref: SessionRef, changed: float) -> float:
    """When the last record or picture of a session was written; ``changed`` if no record has a time.

    A copy or a backup may have changed the rollout's own time since.
    """
    try:
        with open(ref.path or "", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _END_BYTES))
            lines = file.read(_END_BYTES).split(b"\n")
    except OSError:
        return changed
    recorded = max(filter(None, (rollout.read_time(line[:HEAD]) for line in lines)), default=changed)
    return max(recorded, _pictures_mtime(codex_home, ref))


def find_duplicates(codex_home: str) -> set[str]:
    """The threads that are in the names of several rollouts, in any folder, compressed or not."""
    counts = Counter(ref.thread_id for ref in (*iter_rollouts(codex_home), *_archived(codex_home)) if ref.thread_id)
    return {thread_id for thread_id, count in counts.items() if count > 1}


def iter_rollouts(codex_home: str) -> Iterator[SessionRef]:
    """Yield the rollouts in ``sessions/`` by their names, latest first. Folders are listed only when reached."""
    return _walk(os.path.join(codex_home, "sessions"), _DEPTH)


def iter_all_rollouts(codex_home: str) -> Iterator[SessionRef]:
    """Yield every rollout, compressed ones too: first those in ``sessions/``, then the archived ones."""
    yield from iter_rollouts(codex_home)
    yield from _walk_archive(codex_home)


def _walk_archive(codex_home: str) -> Iterator[SessionRef]:
    return _walk(os.path.join(codex_home, "archived_sessions"), _DEPTH)


def _archived(codex_home: str) -> list[SessionRef]:
    return sorted(_walk_archive(codex_home), key=_created_at, reverse=True)


def _picture_folders(codex_home: str) -> list[SessionRef]:
    """The folders of pictures, whose rollouts may be gone, newest first."""
    names = [name for name, is_folder, _ in _entries(os.path.join(codex_home, "generated_images")) if is_folder]
    refs = (SessionRef(name, None) for name in names if layout.THREAD_ID.match(name))
    return sorted(refs, key=_created_at, reverse=True)


def _created_at(ref: SessionRef) -> float:
    return ref.created_at


def _pictures_mtime(codex_home: str, ref: SessionRef) -> float:
    return _mtime(layout.pictures_folder(codex_home, ref.thread_id)) if ref.thread_id else 0.0


def _mtime(path: str) -> float:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _with_rollout(codex_home: str, ref: SessionRef) -> SessionRef:
    """The session with its rollout, where a clock change put their names in another order."""
    return SessionRef(
        ref.thread_id, layout.find_rollout(layout.list_day_folders(codex_home, ref.created_at), ref.thread_id or "")
    )


def _find_thread(refs: Iterator[SessionRef], thread_id: str) -> SessionRef | None:
    """The rollout of a thread; a compressed one only where there is no other."""
    compressed = None
    for ref in refs:
        if ref.thread_id == thread_id:
            if not ref.is_compressed:
                return ref
            compressed = ref
    return compressed


def _walk(folder: str, depth: int) -> Iterator[SessionRef]:
    """Yield a folder's rollouts, latest name first, each before its compressed copy; links are not followed."""
    for name, is_folder, is_file in sorted(_entries(folder), key=_name_order, reverse=True):
        path = os.path.join(folder, name)
        match = _NAME.match(name) if is_file else None
        if match is not None and layout.THREAD_ID.match(match["thread"]):
            yield SessionRef(match["thread"].lower(), path)
        elif is_folder and depth:
            yield from _walk(path, depth - 1)


def _name_order(entry: tuple[str, bool, bool]) -> tuple[str, bool]:
    return entry[0].removesuffix(".zst"), not entry[0].endswith(".zst")


def _entries(folder: str) -> Iterator[tuple[str, bool, bool]]:
    """Yield the name of each entry, and whether it is a folder or a file."""
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
