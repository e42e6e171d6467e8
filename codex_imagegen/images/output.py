"""Outputs: choose names, check them before anything is spent, write atomically, and read an existing picture."""

from __future__ import annotations

import os
import stat
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_imagegen.errors import OutExists, OutUnwritable, UsageError
from codex_imagegen.files import atomic, containment
from codex_imagegen.files.opening import NotRegularFile, open_regular
from codex_imagegen.request import STDOUT, SUFFIXES, PictureFormat, format_of

if TYPE_CHECKING:
    from codex_imagegen.results import Image, Picture


_MAX_DEFAULT_NAMES = 10_000
_KEEP_HINT = "move it away, or choose another --out"


@dataclass(frozen=True, slots=True)
class Target:
    """The output of one picture: an absolute path (or ``"-"`` for stdout) and the format that its suffix names.

    ``format`` is None for the picture's own. ``numbered``: this program chose the name, and may change it to the next
    free number. ``within`` are folders that the path must not leave (see :mod:`codex_imagegen.files.containment`).
    """

    path: str
    format: PictureFormat | None
    force: bool = False
    numbered: bool = False
    within: tuple[str, ...] = ()

    @property
    def is_stdout(self) -> bool:
        """Whether the picture goes to stdout."""
        return self.path == STDOUT


def plan(
    out: str | None,
    *,
    count: int = 1,
    force: bool = False,
    wanted: PictureFormat | None = None,
    within: tuple[str, ...] = (),
    may_exist: bool = False,
) -> tuple[Target, ...]:
    """The targets of a request, each checked: its suffix, that no such file exists, and that its folder is writable.

    With ``may_exist``, a target that exists is not checked. ``within`` are folders that targets must not leave;
    relative names then start in the first. Raises :class:`UsageError` for a name that can't be an output,
    :class:`OutExists` and :class:`OutUnwritable`. Creates no folder, so that a run that fails leaves nothing behind.
    """
    if out == STDOUT and not within:
        return (_stdout(count, wanted),)
    if out is None:
        suffix = SUFFIXES[wanted or "png"]
        stem, numbered = os.path.join(*within[:1], time.strftime("image-%Y%m%d-%H%M%S")), True
        path = os.path.abspath(find_free_name(stem + suffix) if count == 1 else stem + suffix)
    else:
        path, numbered = _absolute(containment.resolve_inside(out, within, "output") if within else out), False
    format_ = _format_of(path, wanted)
    targets = tuple(Target(name, format_, force, numbered, within) for name in number_names(path, count))
    for target in targets:
        if not (may_exist and os.path.lexists(target.path)):
            check(target)
    return targets


def number_names(path: str, count: int) -> tuple[str, ...]:
    """``path`` for one picture; ``stem-1.png``, ``stem-2.png``, … for more."""
    if count == 1:
        return (path,)
    stem, suffix = os.path.splitext(path)
    return tuple(f"{stem}-{index}{suffix}" for index in range(1, count + 1))


def check(target: Target) -> None:
    """Raise what :func:`write` would raise now; leaves nothing behind."""
    if target.is_stdout:
        return
    if target.within:
        containment.resolve_inside(target.path, target.within, "output")
    _check_free(target)
    folder = os.path.dirname(target.path)
    while not os.path.lexists(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    if not os.path.isdir(folder):
        raise OutUnwritable(
            f"{target.path!r} can't be written: {folder!r} is not a folder", hint="choose another --out"
        )
    try:
        with containment.open_inside(folder, target.within) as at:
            atomic.check_writable(folder, at)
    except OSError as error:
        raise _unwritable(target.path, error) from error


def write(picture: Picture, target: Target, *, original: bool = True) -> Image:
    """Write the bytes unchanged and atomically, and describe the file.

    Raises :class:`OutExists` if the file exists by now and ``force`` is off, else :class:`OutUnwritable`.
    """
    import hashlib

    from codex_imagegen.results import Image

    if target.is_stdout:
        _write_stdout(picture.data)
        path = STDOUT
    else:
        path = _write_file(picture.data, target)
    return Image(
        path=path,
        format=picture.format,
        width=picture.width,
        height=picture.height,
        bytes=len(picture.data),
        sha256=hashlib.sha256(picture.data).hexdigest(),
        original=original,
        revised_prompt=picture.revised_prompt,
    )


def _stdout(count: int, wanted: PictureFormat | None) -> Target:
    if count > 1:
        raise UsageError("stdout takes one picture, not several", hint="give --out a file name")
    if sys.stdout is None:
        raise OutUnwritable("stdout can't be written: it is closed", hint="give --out a file name")
    if sys.stdout.isatty():
        raise UsageError("a picture can't be printed on a terminal", hint="redirect stdout, or give --out a file name")
    return Target(STDOUT, wanted)


def _absolute(out: str) -> str:
    if "\0" in out or not out:
        raise UsageError("--out is not a file name", hint="give --out a file name that ends in .png, .jpg or .webp")
    path = os.path.abspath(out)
    if out.endswith(os.sep) or os.path.isdir(path):
        raise OutUnwritable(f"{out!r} is a folder", hint="give --out a file name")
    return path


def _format_of(path: str, wanted: PictureFormat | None) -> PictureFormat:
    suffix = os.path.splitext(path)[1]
    format_ = format_of(path)
    if format_ is None:
        problem = f"can't end in {suffix!r}" if suffix else "has no suffix"
        raise UsageError(f"--out {problem}", hint="end it in .png, .jpg or .webp")
    if wanted is not None and wanted != format_:
        raise UsageError(
            f"--format {wanted} and a name that ends in {suffix} contradict each other", hint="leave one out"
        )
    return format_


def find_free_name(name: str) -> str:
    """The first free name of ``name``, and the same with ``-2``, ``-3``, and so on."""
    stem, suffix = os.path.splitext(name)
    for number in range(2, _MAX_DEFAULT_NAMES):
        if not os.path.lexists(name):
            return name
        name = f"{stem}-{number}{suffix}"
    raise OutExists("every default name is taken", hint="give --out a file name")


def _check_free(target: Target) -> None:
    try:
        mode = os.lstat(target.path).st_mode
        if target.force and stat.S_ISLNK(mode):
            mode = os.stat(target.path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _unwritable(target.path, error) from error
    if not target.force:
        raise OutExists(f"{target.path!r} already exists", hint="choose another --out, or give --force to replace it")
    if not stat.S_ISREG(mode):
        raise OutUnwritable(f"{target.path!r} is not a regular file", hint="choose another --out")


def _write_file(data: bytes, target: Target) -> str:
    # with --force, a symbolic link's target is replaced, as a shell's redirection would do
    path = os.path.realpath(target.path) if target.force else target.path
    folder = os.path.dirname(path)
    try:
        with (
            containment.open_inside(folder, target.within, make=True) as at,
            atomic.temporary_file(folder, at) as (file, temporary),
        ):
            file.write(data)
            atomic.flush(file)
            return _publish(temporary, path, target, at)
    except OSError as error:
        raise _unwritable(path, error, spent=True) from error


def _publish(temporary: str, path: str, target: Target, at: int | None) -> str:
    if target.force:
        _check_free(target)
        atomic.replace(temporary, path, at)
        return target.path
    while True:
        try:
            atomic.publish(temporary, path, at)
        except FileExistsError as error:
            if not target.numbered:
                raise OutExists(f"{path!r} appeared during the run and was left alone", spent=True) from error
            path = find_free_name(path)
        else:
            return path


def _write_stdout(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is closed"
        raise OutUnwritable(f"stdout can't be written: {reason}", spent=True) from error


def _unwritable(path: str, error: OSError, *, spent: bool = False) -> OutUnwritable:
    return OutUnwritable(
        f"{path!r} can't be written: {error.strerror or error}",
        hint="choose another --out",
        spent=spent,
        errno=error.errno,
    )


def read_existing_image(path: str) -> Image:
    """Decode and describe the picture at ``path``; raises :class:`OutExists` for a file that is not a picture."""
    import hashlib

    from codex_imagegen.images.decode import decode_picture
    from codex_imagegen.images.structure import DamagedImage
    from codex_imagegen.results import Image

    data = _read(path)
    try:
        found = decode_picture(data)
    except DamagedImage as error:
        raise OutExists(f"{path!r} already exists and is not a picture: {error}", hint=_KEEP_HINT) from error
    digest = hashlib.sha256(data).hexdigest()
    return Image(path, found.format, found.width, found.height, len(data), digest)


def _read(path: str) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read()
    except NotRegularFile as error:
        raise OutExists(f"{path!r} already exists and is not a picture", hint=_KEEP_HINT) from error
    except OSError as error:
        raise OutUnwritable(f"{path!r} already exists and can't be read: {error.strerror}", hint=_KEEP_HINT) from error
