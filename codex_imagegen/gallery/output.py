"""Where the page goes: its name, what is refused before anything is read, and a page that is replaced whole."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from codex_imagegen.errors import OutExists, OutUnwritable, UsageError
from codex_imagegen.files import atomic, sync
from codex_imagegen.gallery.page import MARKER
from codex_imagegen.images import output

DEFAULT = "codex-gallery.html"
_MARK, _MARK_WITHIN = f'content="{MARKER}"'.encode(), 1024


@dataclass(frozen=True, slots=True)
class Place:
    """One page: its absolute path, and the folder of its pictures."""

    path: str
    folder: str


def place(out: str | None, *, force: bool) -> Place:
    """The place that ``--out`` means, checked: an hour of reading must not end in a folder that takes no files.

    Raises :class:`UsageError`, :class:`OutExists` for a file that is no page of ours, and :class:`OutUnwritable`.
    """
    name = DEFAULT if out is None else out
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in {".html", ".htm"} or "\0" in name:
        raise UsageError(f"--out {name!r} is no name of a page", hint="end it in .html")
    found = Place(os.path.abspath(name), f"{os.path.abspath(stem)}-pictures")
    if not force:
        _check_ours(found.path)
    output.check(output.Target(found.path, None, force=True))
    if os.path.lexists(found.folder) and not os.path.isdir(found.folder):
        raise OutUnwritable(f"{found.folder!r} is no folder", hint="choose another --out")
    return found


def write(path: str, parts: Iterable[str]) -> int:
    """Put a page in its place, whole; gives back its bytes. Raises :class:`OutUnwritable`."""
    size, real = 0, os.path.realpath(path)  # through a link, as a shell's redirection would
    try:
        os.makedirs(os.path.dirname(real), exist_ok=True)
        with atomic.unfinished(os.path.dirname(real)) as (file, temporary):
            for part in parts:
                size += file.write(part.encode(errors="replace"))
            sync.flush(file)
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
