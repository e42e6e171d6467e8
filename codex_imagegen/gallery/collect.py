"""Collect the pictures of all sessions: one thread reads the sessions, others decode and scale the pictures.

Only the pictures being processed are in memory, a few for each processor, however large the rollouts are.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import BoundedSemaphore

from codex_imagegen.codex.sessions.reader import SessionReader, StoredImage
from codex_imagegen.errors import Interrupted
from codex_imagegen.gallery.entry import Entry, limit_entry
from codex_imagegen.gallery.index import Index, SessionSource
from codex_imagegen.gallery.thumbnails import ImageFolder, make_entry, short_digest
from codex_imagegen.interrupt import Interrupt

MAX_WORKERS = 8
"""Each worker may hold a decoded picture of hundreds of megabytes."""


@dataclass(slots=True)
class CollectProgress:
    """The progress: bytes of rollouts read so far and in total, and the number of pictures so far."""

    done: int = 0
    total: int = 0
    pictures: int = 0


@dataclass(slots=True)
class _PendingSession:
    """A session that has been read, and whose pictures are being processed."""

    source: SessionSource
    entries: list[Future[Entry]]
    saved_paths: dict[str, str]
    codex_version: str | None
    damaged_entry: Entry | None
    is_complete: bool


class Collector:
    """Updates the index and the image folder from a Codex home. ``unreadable`` lists rollouts that can't be read."""

    def __init__(
        self, codex_home: str, index: Index, folder: ImageFolder, *, originals: bool, interrupt: Interrupt,
        on_progress: Callable[[CollectProgress], None],
    ) -> None:  # fmt: skip
        self._home, self._index, self._folder, self._originals = codex_home, index, folder, originals
        self._interrupt, self._on_progress = interrupt, on_progress
        self._pending: deque[_PendingSession] = deque()
        workers = min(MAX_WORKERS, os.cpu_count() or 1)
        self._slots = BoundedSemaphore(2 * workers)
        self._pool = ThreadPoolExecutor(workers)
        self.progress = CollectProgress()
        self.unreadable: list[str] = []

    def collect(self, sources: Iterable[SessionSource]) -> None:
        """Process all sessions. Raises :class:`OutUnwritable` and :class:`Interrupted`; finished sessions are kept."""
        try:
            changed = [source for source in sources if not self._is_cached(source)]
            self.progress.total = sum(source.bytes for source in changed)
            for source in changed:
                self._read(source)
                self._store_finished(wait=False)
            self._store_finished(wait=True)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _is_cached(self, source: SessionSource) -> bool:
        """Whether the index and the folder have all pictures of this session, so that it need not be read again."""
        self._check_interrupt()
        entries = self._index.find(source)
        if entries is None or any(
            name not in self._folder for entry in entries for name in entry.file_names(originals=self._originals)
        ):
            return False
        self._index.mark_present(source)
        self.progress.pictures += len(entries)
        return True

    def _read(self, source: SessionSource) -> None:
        self._check_interrupt()
        self._on_progress(self.progress)
        reader = SessionReader(self._home, source.session, self._check_interrupt)
        entries = []
        for stored in reader.pictures():
            entries.append(self._submit(stored, source))
            self.progress.pictures += 1
            self._on_progress(self.progress)
        if reader.unreadable is not None:
            self.unreadable.append(f"{source.session.path!r}: {reader.unreadable}")
        self._pending.append(_pending_session(source, reader, entries))
        self.progress.done += source.bytes

    def _submit(self, stored: StoredImage, source: SessionSource) -> Future[Entry]:
        self._slots.acquire()
        thread_id = source.session.thread_id
        future = self._pool.submit(make_entry, stored, thread_id, self._folder, originals=self._originals)
        future.add_done_callback(lambda _: self._slots.release())
        return future

    def _store_finished(self, *, wait: bool) -> None:
        """Store the sessions whose pictures are finished in the index, in order; ``wait`` for all of them."""
        while self._pending and (wait or all(entry.done() for entry in self._pending[0].entries)):
            self._check_interrupt()
            self._store(self._pending.popleft())

    def _store(self, session: _PendingSession) -> None:
        finished = (future.result() for future in session.entries)
        entries = [
            replace(entry, saved_path=session.saved_paths.get(entry.digest), codex_version=session.codex_version)
            for entry in finished
        ]
        if session.damaged_entry is not None:
            entries.append(session.damaged_entry)
        self._index.store(session.source, list(map(limit_entry, entries)), is_complete=session.is_complete)

    def _check_interrupt(self) -> None:
        if self._interrupt.signum is not None:
            message = "interrupted before the page was written"
            hint = "run it again: the sessions read so far are remembered"
            raise Interrupted(message, signum=self._interrupt.signum, hint=hint)


def _pending_session(source: SessionSource, reader: SessionReader, entries: list[Future[Entry]]) -> _PendingSession:
    """The data that is needed once the session's pictures are finished, without its records, which may be large."""
    return _PendingSession(
        source=source, entries=entries, codex_version=reader.codex_version,
        saved_paths={short_digest(digest): path for digest, path in reader.files.items()},
        damaged_entry=_damaged_entry(source, reader) if reader.is_damaged else None,
        is_complete=reader.unreadable is None,
    )  # fmt: skip


def _damaged_entry(source: SessionSource, reader: SessionReader) -> Entry:
    """The entry of a picture whose record has no usable bytes."""
    context = reader.context
    return Entry(
        digest=short_digest(hashlib.sha256(source.fingerprint.encode()).digest()), time=source.session.created_at,
        thread_id=source.session.thread_id, prompt=context.prompt, model=context.model,
        reference_count=len(context.references), codex_version=reader.codex_version,
        damage="its record is incomplete or not valid base64",
    )  # fmt: skip
