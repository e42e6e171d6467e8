"""What a thread held before a run went on with it (``codex exec resume``): none of that is the run's own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from codex_imagegen.codex.sessions import fallback, history, layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.errors import UsageError
from codex_imagegen.platform import locks, opening

SavedFile = tuple[str, int, int, int]
"""A file as it was: path, inode, size in bytes, time of the last change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class ThreadState:
    """``rollouts``: path and size in bytes of each rollout that may be gone on with, by its thread; ``files``: what lay
    in the folders of their pictures.
    """

    rollouts: dict[str, tuple[str, int]] = field(default_factory=dict)
    files: frozenset[SavedFile] = frozenset()

    def has_not(self, path: str, status: os.stat_result) -> bool:
        """Whether a file of Codex's was not there before, or has changed since."""
        return _saved(path, status) not in self.files


def thread_state(codex_home: str, thread: str) -> ThreadState:
    """What there is of a thread, or of all where ``thread`` is a name or empty (``resume --last``).

    Raises :class:`UsageError` for one whose rollout is compressed: new and old could not be told apart in it.
    """
    if not layout.THREAD_ID.match(thread):
        return _of(codex_home, history.iter_all_rollouts(codex_home))
    found = history.find(codex_home, thread.lower())
    if found is not None and found.is_compressed:
        raise UsageError(
            f"the rollout of the thread {thread} is compressed: {found.path!r}", hint="unpack it first, with zstd -d"
        )
    return _of(codex_home, [found] if found else [])


@contextlib.contextmanager
def alone(before: ThreadState) -> Iterator[None]:
    """A context in which no other run of ours goes on with the same thread: what is new in it is this run's.

    Raises :class:`UsageError` where another one does. Only a thread that is named can be told from others.
    """
    with contextlib.ExitStack() as stack:
        for path, _size in before.rollouts.values() if len(before.rollouts) == 1 else ():
            with contextlib.suppress(OSError):  # a file system that knows no locks
                descriptor = opening.open_file(path)
                stack.callback(os.close, descriptor)
                _lock(descriptor)
        yield


def _lock(descriptor: int) -> None:
    try:
        locks.lock(descriptor)
    except BlockingIOError as error:
        raise UsageError("another run is going on with this thread", hint="wait until it has ended") from error


def _of(codex_home: str, pasts: Iterable[SessionRef]) -> ThreadState:
    rollouts: dict[str, tuple[str, int]] = {}
    files: set[SavedFile] = set()
    for past in pasts:
        if past.thread_id is None:
            continue
        if past.path is not None and not past.is_compressed:
            rollouts[past.thread_id] = past.path, _size(past.path)
        files.update(_saved(*file) for file in fallback.saved_files(layout.pictures_folder(codex_home, past.thread_id)))
    return ThreadState(rollouts, frozenset(files))


def _saved(path: str, status: os.stat_result) -> SavedFile:
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
