"""Build a gallery: list the sessions of a Codex home, read the changed ones, and write the page."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from codex_imagegen import render
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import OutExists, OutUnwritable, UsageError
from codex_imagegen.files import atomic
from codex_imagegen.files.opening import NotRegularFile, open_regular
from codex_imagegen.gallery import index
from codex_imagegen.gallery.collect import Collector, CollectProgress
from codex_imagegen.gallery.entry import Entry
from codex_imagegen.gallery.index import Index, SessionSource, session_sources
from codex_imagegen.gallery.page import MARKER, Page
from codex_imagegen.gallery.thumbnails import ImageFolder
from codex_imagegen.images import output
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.results import Gallery, Warning_

DEFAULT_NAME = "codex-gallery.html"
_MARKER, _MARKER_MAX_OFFSET = f'content="{MARKER}"'.encode(), 1024


@dataclass(frozen=True, slots=True)
class GalleryOptions:
    """The options: ``out`` is the path of the page; pictures older than ``since`` (Unix seconds) are left out.

    ``since_text`` is the same as the user wrote it, for the page. Without ``out``, the page is in the working folder,
    or if it is to be ``cached``, in the user's cache folder.
    """

    out: str | None = None
    cached: bool = False
    since: float = 0.0
    since_text: str | None = None
    originals: bool = False
    force: bool = False


def build(
    options: GalleryOptions,
    interrupt: Interrupt,
    on_progress: Callable[[CollectProgress], None],
    environment: Mapping[str, str] | None = None,
) -> Gallery:
    """Create or update the page. Starts no Codex, spends nothing, and opens no connection.

    Raises :class:`UsageError` if ``out`` is not the name of a page, :class:`OutputError` and :class:`Interrupted`. A
    picture or a rollout that can't be read gives a warning.
    """
    started_at = time.monotonic()
    environment = os.environ if environment is None else environment
    codex_home = layout.codex_home(environment)
    out = options.out
    if out is None and options.cached:
        out = os.path.join(_private_folder(index.cache_path(codex_home, environment)), DEFAULT_NAME)
    page_output = plan_output(out, force=options.force)
    is_default_home = codex_home == layout.codex_home({})
    builder = _Builder(codex_home, page_output, options, interrupt, on_progress, started_at, is_default_home)
    return _with_index(index.index_path(codex_home, environment), builder.build)


def _with_index(path: str, work: Callable[[Index], Gallery]) -> Gallery:
    """Call ``work`` with the saved index, and if that fails, again with an index in memory."""
    try:
        with contextlib.closing(index.open_index(path)) as saved:
            return work(saved)
    except sqlite3.Error as error:
        index.delete_index(path, error)
    with contextlib.closing(Index()) as temporary:
        return work(temporary)


@dataclass(frozen=True, slots=True)
class _Builder:
    codex_home: str
    output: PageOutput
    options: GalleryOptions
    interrupt: Interrupt
    on_progress: Callable[[CollectProgress], None]
    started_at: float
    is_default_home: bool

    def build(self, saved: Index) -> Gallery:
        """Collect the pictures, write the page, and remove unused files."""
        folder, originals = ImageFolder(self.output.folder), self.options.originals
        collector = Collector(
            self.codex_home, saved, folder, originals=originals, interrupt=self.interrupt, on_progress=self.on_progress
        )
        sessions = _SessionList(self.options.since)
        collector.collect(sessions.read(self.codex_home))
        contents = _PageContents()
        for entry in saved.pictures(self.options.since):
            contents.add(entry, entry.file_names(originals=originals))
        page = Page(
            lambda: saved.pictures(self.options.since), contents.count, os.path.basename(self.output.folder),
            home=self.codex_home, since=self.options.since_text, originals=originals,
            is_default_home=self.is_default_home,
        )  # fmt: skip
        size = write_page(self.output.path, page.parts())
        if not self.options.since:  # a page of some days must keep the files of the other days for the full page
            folder.remove_unused(contents.names)
            saved.delete_others()
        return Gallery(
            path=self.output.path, pictures=contents.count, broken=contents.damaged, sessions=sessions.count,
            bytes=size + folder.total_bytes(contents.names), codex_home=self.codex_home,
            elapsed_sec=round(time.monotonic() - self.started_at, 3),
            warnings=tuple(_warnings(collector, sessions, contents)),
        )  # fmt: skip


class _PageContents:
    """The pictures of the page: their number, how many are damaged, and the names of their files."""

    def __init__(self) -> None:
        self.count = self.damaged = 0
        self.names: set[str] = set()

    def add(self, entry: Entry, names: Iterable[str]) -> None:
        self.count += 1
        self.damaged += entry.damage is not None
        self.names.update(names)


class _SessionList:
    """The sessions that changed since a time, counted while they are read."""

    def __init__(self, since: float) -> None:
        self._since = since
        self.count = self.compressed = 0

    def read(self, codex_home: str) -> Iterator[SessionSource]:
        for source in session_sources(codex_home):
            if source.modified_at >= self._since:
                self.count += 1
                self.compressed += source.session.is_compressed
                yield source


def _warnings(collector: Collector, sessions: _SessionList, contents: _PageContents) -> Iterator[Warning_]:
    if contents.damaged:
        yield Warning_("damaged-picture", f"{_are(contents.damaged, 'picture')} damaged, and shown as an empty tile")
    if sessions.compressed:
        rollouts = _are(sessions.compressed, "rollout")
        message = f"{rollouts} compressed (.zst) and not read; pictures that Codex saved are shown"
        yield Warning_("rollout-compressed", message)
    if collector.unreadable:
        message = f"{_are(len(collector.unreadable), 'rollout')} not readable: {collector.unreadable[0]}"
        yield Warning_("rollout-unreadable", message)


def _are(number: int, noun: str) -> str:
    return f"{render.plural(number, noun)} {'is' if number == 1 else 'are'}"


@dataclass(frozen=True, slots=True)
class PageOutput:
    """The absolute paths of a page and of the folder with its pictures."""

    path: str
    folder: str


def plan_output(out: str | None, *, force: bool) -> PageOutput:
    """Check ``--out`` before the sessions are read, which may take long.

    Raises :class:`UsageError`, :class:`OutExists` for a file that is not a gallery, and :class:`OutUnwritable`.
    """
    name = DEFAULT_NAME if out is None else out
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in {".html", ".htm"} or "\0" in name:
        raise UsageError(f"--out {name!r} is not the name of a page", hint="end it in .html")
    page = PageOutput(os.path.abspath(name), f"{os.path.abspath(stem)}-pictures")
    if not force:
        _check_existing(page.path)
    output.check(output.Target(page.path, None, force=True))
    if os.path.lexists(page.folder) and not os.path.isdir(page.folder):
        raise OutUnwritable(f"{page.folder!r} is not a folder", hint="choose another --out")
    return page


def _private_folder(path: str) -> str:
    """The folder, made if it is missing; the page has prompts, so only its owner can read it."""
    try:
        for folder in (os.path.dirname(path), path):
            os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path


def write_page(path: str, parts: Iterable[str]) -> int:
    """Write a page atomically and return its bytes. Raises :class:`OutUnwritable`."""
    size, real = 0, os.path.realpath(path)  # follow a symlink, as a shell redirection does
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


def _check_existing(path: str) -> None:
    """Allow an existing gallery to be replaced, and refuse any other file."""
    try:
        with open_regular(path) as file:
            is_gallery = _MARKER in file.read(_MARKER_MAX_OFFSET)
    except FileNotFoundError:
        return
    except NotRegularFile:
        is_gallery = False
        if os.path.isdir(path):  # --force would not replace it
            raise OutUnwritable(f"{path!r} is a folder", hint="choose another --out") from None
    except OSError as error:
        raise _unwritable(path, error) from error
    if not is_gallery:
        message = f"{path!r} already exists and is not a gallery"
        raise OutExists(message, hint="choose another --out, or give --force to replace it")


def _unwritable(path: str, error: OSError) -> OutUnwritable:
    return OutUnwritable(f"{path!r} can't be written: {error.strerror or error}", hint="choose another --out")
