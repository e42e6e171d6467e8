"""The state of a thread before a run resumes it (``codex exec resume``), to distinguish old pictures from new ones."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from codex_imagegen import render
from codex_imagegen.codex.sessions import fallback, history, layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.errors import UsageError
from codex_imagegen.platform import descriptors

SavedFile = tuple[str, int, int, int]
"""A file before the run: path, inode, size in bytes, time of the last change in nanoseconds."""


@dataclass(frozen=True, slots=True)
class ThreadState:
    """``rollouts``: path and size in bytes of each rollout that may be resumed, by its thread; ``files``: the files in
    their picture folders.
    """

    rollouts: dict[str, tuple[str, int]] = field(default_factory=dict)
    files: frozenset[SavedFile] = frozenset()

    def is_new(self, path: str, status: os.stat_result) -> bool:
        """Whether a file that Codex saved did not exist before, or has changed since."""
        return _file_state(path, status) not in self.files


def read_thread_state(codex_home: str, thread: str) -> ThreadState:
    """Read the state of a thread, or of all threads where ``thread`` is a name or empty (``resume --last``).

    Raises :class:`UsageError` for a thread whose rollout is compressed: its old and new records can't be distinguished.
    """
    if not layout.THREAD_ID.match(thread):
        return _read_state(codex_home, history.iter_all_rollouts(codex_home))
    found = history.find_session(codex_home, thread.lower())
    if found is not None and found.is_compressed:
        raise UsageError(
            f"the rollout of the thread {thread} is compressed: {found.path!r}",
            hint=f"unpack it first with:\nzstd -d {render.shell_join([found.path or 'FILE'])}",
        )
    return _read_state(codex_home, [found] if found else [])


@contextlib.contextmanager
def lock_thread(before: ThreadState) -> Iterator[None]:
    """A context in which no other run of this program resumes the same thread, so that all new records are this run's.

    Raises :class:`UsageError` if another run does. Nothing is locked if several threads may be meant.
    """
    with contextlib.ExitStack() as stack:
        for path, _size in before.rollouts.values() if len(before.rollouts) == 1 else ():
            with contextlib.suppress(OSError):  # a file system without locks
                descriptor = descriptors.open_file(path)
                stack.callback(os.close, descriptor)
                _lock(descriptor)
        yield


def _lock(descriptor: int) -> None:
    try:
        descriptors.lock(descriptor)
    except BlockingIOError as error:
        raise UsageError("another run is resuming this thread", hint="wait until it has ended") from error


def _read_state(codex_home: str, sessions: Iterable[SessionRef]) -> ThreadState:
    rollouts: dict[str, tuple[str, int]] = {}
    files: set[SavedFile] = set()
    for session in sessions:
        if session.thread_id is None:
            continue
        if session.path is not None and not session.is_compressed:
            rollouts[session.thread_id] = session.path, _size(session.path)
        files.update(
            _file_state(*file)
            for file in fallback.list_saved_files(layout.pictures_folder(codex_home, session.thread_id))
        )
    return ThreadState(rollouts, frozenset(files))


def _file_state(path: str, status: os.stat_result) -> SavedFile:
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0
