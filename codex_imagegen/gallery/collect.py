"""Every picture of a home, session by session: read in one thread, decoded and scaled in a few others.

In memory are the pictures that are just being worked on, a few for each processor, whatever the rollouts hold besides.
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
from codex_imagegen.gallery.entry import Entry, bounded
from codex_imagegen.gallery.index import Index, SessionSource
from codex_imagegen.gallery.thumbnails import ImageFolder, make_entry, name_of
from codex_imagegen.interrupt import Interrupt

WORKERS = 8
"""At most; each may hold a picture of hundreds of megabytes, decoded."""


@dataclass(slots=True)
class CollectProgress:
    """How far it is: bytes of rollouts that were and will be read, and the pictures so far."""

    done: int = 0
    total: int = 0
    pictures: int = 0


@dataclass(slots=True)
class _Reading:
    """One session that has been read, whose pictures are still at work."""

    source: SessionSource
    pictures: list[Future[Entry]]
    files: dict[str, str]
    codex_version: str | None
    torn: Entry | None
    whole: bool


class Collector:
    """Brings the index and the shelf up to date with a home. ``unreadable`` are the rollouts that could not be read."""

    def __init__(
        self, codex_home: str, index: Index, shelf: ImageFolder, *, originals: bool, interrupt: Interrupt,
        tell: Callable[[CollectProgress], None],
    ) -> None:  # fmt: skip
        self._home, self._index, self._shelf, self._originals = codex_home, index, shelf, originals
        self._interrupt, self._tell = interrupt, tell
        self._readings: deque[_Reading] = deque()
        workers = min(WORKERS, os.cpu_count() or 1)
        self._room = BoundedSemaphore(2 * workers)
        self._pool = ThreadPoolExecutor(workers)
        self.progress = CollectProgress()
        self.unreadable: list[str] = []

    def collect(self, sources: Iterable[SessionSource]) -> None:
        """Take every session; raises :class:`OutUnwritable` and :class:`Interrupted`, which loses no session so far."""
        try:
            changed = [source for source in sources if not self._is_known(source)]
            self.progress.total = sum(source.bytes for source in changed)
            for source in changed:
                self._read(source)
                self._finish(waiting=False)
            self._finish(waiting=True)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def _is_known(self, source: SessionSource) -> bool:
        """Whether the page can be made without reading this session again."""
        self._check()
        entries = self._index.known(source)
        if entries is None or any(
            name not in self._shelf for entry in entries for name in entry.files(originals=self._originals)
        ):
            return False
        self._index.keep(source)
        self.progress.pictures += len(entries)
        return True

    def _read(self, source: SessionSource) -> None:
        self._check()
        self._tell(self.progress)
        keepsake = SessionReader(self._home, source.past, self._check)
        pictures = []
        for kept in keepsake.pictures():
            pictures.append(self._develop(kept, source))
            self.progress.pictures += 1
            self._tell(self.progress)
        if keepsake.unreadable is not None:
            self.unreadable.append(f"{source.past.path!r}: {keepsake.unreadable}")
        self._readings.append(_reading(source, keepsake, pictures))
        self.progress.done += source.bytes

    def _develop(self, kept: StoredImage, source: SessionSource) -> Future[Entry]:
        self._room.acquire()
        future = self._pool.submit(make_entry, kept, source.past.thread_id, self._shelf, originals=self._originals)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _finish(self, *, waiting: bool) -> None:
        """Put the sessions into the index whose pictures are done, in their order."""
        while self._readings and (waiting or all(entry.done() for entry in self._readings[0].pictures)):
            self._check()
            self._put(self._readings.popleft())

    def _put(self, reading: _Reading) -> None:
        made = (future.result() for future in reading.pictures)
        entries = [
            bounded(replace(entry, file=reading.files.get(entry.digest), codex_version=reading.codex_version))
            for entry in made
        ]
        if reading.torn is not None:
            entries.append(bounded(reading.torn))
        self._index.put(reading.source, entries, whole=reading.whole)

    def _check(self) -> None:
        if self._interrupt.signum is not None:
            told = "interrupted before the page was made"
            raise Interrupted(told, signum=self._interrupt.signum, hint="run it again: what was read is remembered")


def _reading(source: SessionSource, keepsake: SessionReader, pictures: list[Future[Entry]]) -> _Reading:
    """What is kept of a session until its pictures are done; of its records nothing, which may be large."""
    return _Reading(
        source=source, pictures=pictures, codex_version=keepsake.codex_version,
        files={name_of(digest): path for digest, path in keepsake.files.items()},
        torn=_torn(source, keepsake) if keepsake.is_damaged else None, whole=keepsake.unreadable is None,
    )  # fmt: skip


def _torn(source: SessionSource, keepsake: SessionReader) -> Entry:
    """A picture of which the record is there and its bytes are not."""
    setting = keepsake.context
    return Entry(
        digest=name_of(hashlib.sha256(source.mark.encode()).digest()), time=source.past.created_at,
        thread_id=source.past.thread_id, prompt=setting.prompt, model=setting.model, shown=len(setting.references),
        codex_version=keepsake.codex_version, broken="its record is torn or no base64",
    )  # fmt: skip
