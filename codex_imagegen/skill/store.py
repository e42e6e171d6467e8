"""A folder of skills on disk: what is there under our name, a write that is whole or not there at all, a removal.

Everything is done relative to open folders, each of them opened without following a link: a folder that is swapped for
a symbolic link between our look and our write leads nowhere.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from codex_imagegen.errors import OutUnwritable
from codex_imagegen.files import sync
from codex_imagegen.skill.agents import Place
from codex_imagegen.skill.text import FILE, NAME

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_MAX_BYTES = 1 << 20


def path(place: Place) -> str:
    """Where the skill's file is, or would be."""
    return os.path.join(place.folder, NAME, FILE)


def read(place: Place) -> bytes | None:
    """What is there, or None; raises :class:`OutUnwritable` for what is no file of a sensible size."""
    with _trouble(place):
        try:
            with _skills(place) as skills, _folder(NAME, skills) as folder:
                return _content(place, os.open(FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder))
        except FileNotFoundError:
            return None


def write(place: Place, data: bytes) -> None:
    """Put the file there, in the place of what is there; missing folders are made."""
    with _trouble(place):
        os.makedirs(place.root, exist_ok=True)
        with _skills(place, make=True) as skills, _folder(NAME, skills, make=True) as folder:
            _replace(folder, data)


def remove(place: Place) -> None:
    """Take the file away, and its folder if nothing else is in it."""
    with _trouble(place), _skills(place) as skills:
        with _folder(NAME, skills) as folder:
            os.unlink(FILE, dir_fd=folder)
        with contextlib.suppress(OSError):
            os.rmdir(NAME, dir_fd=skills)


@contextlib.contextmanager
def _skills(place: Place, *, make: bool = False) -> Iterator[int]:
    """The folder of skills, open; on the way there from its root, links are followed inside the root alone."""
    root, real = os.path.realpath(place.root), os.path.realpath(place.folder)
    if os.path.commonpath((root, real)) != root:
        raise OutUnwritable(
            f"{place.folder!r} leads out of {place.root!r} by a symbolic link", hint="say with --dir where you want it"
        )
    with contextlib.ExitStack() as stack:
        folder = os.open(root, _FOLDER)
        stack.callback(os.close, folder)
        for name in os.path.relpath(real, root).split(os.sep):
            folder = stack.enter_context(_folder(name, folder, make=make))
        yield folder


@contextlib.contextmanager
def _folder(name: str, above: int, *, make: bool = False) -> Iterator[int]:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=above)
    folder = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    try:
        yield folder
    finally:
        os.close(folder)


def _content(place: Place, descriptor: int) -> bytes:
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            raise OutUnwritable(f"{path(place)!r} is no skill's file", hint="move it out of the way")
        return file.read(_MAX_BYTES)


def _replace(folder: int, data: bytes) -> None:
    temporary = f".{NAME}-{os.urandom(8).hex()}.tmp"
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666, dir_fd=folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            sync.flush(file)
        os.replace(temporary, FILE, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)


@contextlib.contextmanager
def _trouble(place: Place) -> Iterator[None]:
    """A context that tells an OSError as what it means: a link in the way, or a file that can't be changed."""
    try:
        yield
    except OSError as error:
        linked = next((one for one in (os.path.dirname(path(place)), path(place)) if os.path.islink(one)), None)
        if linked:
            raise OutUnwritable(
                f"{linked!r} is a symbolic link and was left alone", hint="remove it first, or leave it to what made it"
            ) from error
        raise OutUnwritable(
            f"{path(place)!r} can't be read or changed: {error.strerror or error}", hint="check the folder"
        ) from error
