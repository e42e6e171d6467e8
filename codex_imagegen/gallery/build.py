"""The story of a gallery: the home's sessions listed, the changed ones read, the page written.

Where the page goes: its name, what is refused before anything is read, and a page that is replaced whole.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import OutExists, OutUnwritable, UsageError
from codex_imagegen.files import atomic
from codex_imagegen.gallery import index
from codex_imagegen.gallery.collect import Collector, CollectProgress
from codex_imagegen.gallery.entry import Entry
from codex_imagegen.gallery.index import Index, SessionSource, session_sources
from codex_imagegen.gallery.page import MARKER, Page
from codex_imagegen.gallery.thumbnails import ImageFolder
from codex_imagegen.images import output
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.results import Gallery, Warning_


@dataclass(frozen=True, slots=True)
class GalleryOptions:
    """What was asked for: ``out`` is the page's path; older pictures than ``since`` (Unix seconds) are left out.

    ``since_words`` is how the user said that: the page names it.
    """

    out: str | None = None
    since: float = 0.0
    since_words: str | None = None
    originals: bool = False
    force: bool = False


def build(
    wanted: GalleryOptions,
    interrupt: Interrupt,
    tell: Callable[[CollectProgress], None],
    environment: Mapping[str, str] | None = None,
) -> Gallery:
    """Make or renew the page. Starts no Codex, spends nothing, and opens no connection.

    Raises :class:`UsageError` for a name that is no page's, :class:`OutputError` and :class:`Interrupted`; a picture
    or a rollout that can't be read is a warning.
    """
    started = time.monotonic()
    environment = os.environ if environment is None else environment
    codex_home = layout.codex_home(environment)
    target = plan_output(wanted.out, force=wanted.force)
    work = _Work(codex_home, target, wanted, interrupt, tell, started)
    return _with_index(index.path_of(codex_home, environment), work.done)


def _with_index(path: str, work: Callable[[Index], Gallery]) -> Gallery:
    """Do the work with the kept index; where that fails in the middle, with one in memory."""
    try:
        with contextlib.closing(index.opened(path)) as kept:
            return work(kept)
    except sqlite3.Error as error:
        index.drop(path, error)
    with contextlib.closing(Index()) as kept:
        return work(kept)


@dataclass(frozen=True, slots=True)
class _Work:
    codex_home: str
    target: PageOutput
    wanted: GalleryOptions
    interrupt: Interrupt
    tell: Callable[[CollectProgress], None]
    started: float

    def done(self, kept: Index) -> Gallery:
        """Collect, write the page, tidy up."""
        shelf, originals = ImageFolder(self.target.folder), self.wanted.originals
        collector = Collector(
            self.codex_home, kept, shelf, originals=originals, interrupt=self.interrupt, tell=self.tell
        )
        listed = _Listed(self.wanted.since)
        collector.collect(listed.of(self.codex_home))
        shown = _Shown()
        for entry in kept.pictures(self.wanted.since):
            shown.add(entry, entry.files(originals=originals))
        page = Page(
            lambda: kept.pictures(self.wanted.since), shown.count, os.path.basename(self.target.folder),
            home=self.codex_home, since=self.wanted.since_words, originals=originals,
        )  # fmt: skip
        size = write_page(self.target.path, page.parts())
        if not self.wanted.since:  # a page of some days leaves the other days' files for the next whole one
            shelf.sweep(shown.names)
            kept.forget_others()
        return Gallery(
            path=self.target.path, pictures=shown.count, broken=shown.broken, sessions=listed.count,
            bytes=size + shelf.bytes(shown.names), codex_home=self.codex_home,
            elapsed_sec=round(time.monotonic() - self.started, 3),
            warnings=tuple(_warnings(collector, listed, shown)),
        )  # fmt: skip


class _Shown:
    """What the page will show, counted."""

    def __init__(self) -> None:
        self.count = self.broken = 0
        self.names: set[str] = set()

    def add(self, entry: Entry, names: Iterable[str]) -> None:
        self.count += 1
        self.broken += entry.broken is not None
        self.names.update(names)


class _Listed:
    """The sessions that count, counted as they are listed."""

    def __init__(self, since: float) -> None:
        self._since = since
        self.count = self.packed = 0

    def of(self, codex_home: str) -> Iterator[SessionSource]:
        for source in session_sources(codex_home):
            if source.changed >= self._since:
                self.count += 1
                self.packed += source.past.is_compressed
                yield source


def _warnings(collector: Collector, listed: _Listed, shown: _Shown) -> Iterator[Warning_]:
    if shown.broken:
        yield Warning_("damaged-picture", f"{_are(shown.broken, 'picture')} damaged, and shown as an empty tile")
    if listed.packed:
        told = f"{_are(listed.packed, 'rollout')} compressed (.zst) and not read; pictures that Codex saved are shown"
        yield Warning_("rollout-compressed", told)
    if collector.unreadable:
        told = f"{_are(len(collector.unreadable), 'rollout')} not readable: {collector.unreadable[0]}"
        yield Warning_("rollout-unreadable", told)


def _are(number: int, noun: str) -> str:
    return f"{number:,} {noun} is" if number == 1 else f"{number:,} {noun}s are"


DEFAULT = "codex-gallery.html"
_MARK, _MARK_WITHIN = f'content="{MARKER}"'.encode(), 1024


@dataclass(frozen=True, slots=True)
class PageOutput:
    """One page: its absolute path, and the folder of its pictures."""

    path: str
    folder: str


def plan_output(out: str | None, *, force: bool) -> PageOutput:
    """The place that ``--out`` means, checked: an hour of reading must not end in a folder that takes no files.

    Raises :class:`UsageError`, :class:`OutExists` for a file that is no page of ours, and :class:`OutUnwritable`.
    """
    name = DEFAULT if out is None else out
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in {".html", ".htm"} or "\0" in name:
        raise UsageError(f"--out {name!r} is no name of a page", hint="end it in .html")
    found = PageOutput(os.path.abspath(name), f"{os.path.abspath(stem)}-pictures")
    if not force:
        _check_ours(found.path)
    output.check(output.Target(found.path, None, force=True))
    if os.path.lexists(found.folder) and not os.path.isdir(found.folder):
        raise OutUnwritable(f"{found.folder!r} is no folder", hint="choose another --out")
    return found


def write_page(path: str, parts: Iterable[str]) -> int:
    """Put a page in its place, whole; gives back its bytes. Raises :class:`OutUnwritable`."""
    size, real = 0, os.path.realpath(path)  # through a link, as a shell's redirection would
    try:
        os.makedirs(os.path.dirname(real), exist_ok=True)
        with atomic.temporary_file(os.path.dirname(real)) as (file, temporary):
            for part in parts:
                size += file.write(part.encode(errors="replace"))
            atomic.flush(file)
            atomic.replace(temporary, real)
    except OSError as error:
        raise _unwritable(path, error) from error
    return size


def _check_ours(path: str) -> None:
    """A page of ours may be renewed without asking; whatever else is there may not."""
    try:
        with open(path, "rb", opener=_at_once) as file:
            ours = stat.S_ISREG(os.fstat(file.fileno()).st_mode) and _MARK in file.read(_MARK_WITHIN)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unwritable(path, error) from error
    if not ours:
        told = f"{path!r} is there already and is no gallery"
        raise OutExists(told, hint="choose another --out, or give --force to replace it")


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a fifo that nobody writes to must not hang us


def _unwritable(path: str, error: OSError) -> OutUnwritable:
    return OutUnwritable(f"{path!r} can't be written: {error.strerror or error}", hint="choose another --out")
