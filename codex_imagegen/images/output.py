"""Outputs: choose names, check them before anything is spent, write atomically, and read an existing picture."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_imagegen.errors import OutExists, OutUnwritable, UsageError
from codex_imagegen.files import atomic, containment
from codex_imagegen.files.opening import NotRegularFile, open_regular
from codex_imagegen.platform import descriptors
from codex_imagegen.request import STDOUT, SUFFIXES, PictureFormat, format_of, is_stdout

if TYPE_CHECKING:
    from codex_imagegen.results import Image, Picture


_KEEP_HINT = "move it away, or choose another --out"


@dataclass(frozen=True, slots=True)
class Target:
    """The output of one picture: an absolute path (or ``"-"`` for stdout) and the format that its suffix names.

    ``format`` is None for the picture's own. ``base`` is set where this program chose the name: if ``path`` is taken
    when it is written, the picture gets the next free number of ``base``, from ``next_number`` on. ``is_stream``: a
    device or a pipe, which is written to and never replaced. ``within`` are folders that the path must not leave (see
    :mod:`codex_imagegen.files.containment`).
    """

    path: str
    format: PictureFormat | None
    force: bool = False
    base: str | None = None
    next_number: int = 2
    is_stream: bool = False
    within: tuple[str, ...] = ()

    @property
    def is_stdout(self) -> bool:
        """Whether the picture goes to stdout."""
        return self.path == STDOUT


def plan(
    out: str | None,
    *,
    prompt: str = "",
    count: int = 1,
    force: bool = False,
    wanted: PictureFormat | None = None,
    within: tuple[str, ...] = (),
    may_exist: bool = False,
) -> tuple[Target, ...]:
    """The targets of a request, each checked: its suffix, that no such file exists, and that its folder is writable.

    In a folder, and without ``out`` in the working folder, the name is made of ``prompt`` and is free. With
    ``may_exist``, a target that exists is not checked. ``within`` are folders that targets must not leave; relative
    names then start in the first. Raises :class:`UsageError` for a name that can't be an output, :class:`OutExists` and
    :class:`OutUnwritable`. Creates no folder, so that a run that fails leaves nothing behind.
    """
    if out is not None and is_stdout(out) and not within:
        return (_stdout(count, wanted),)
    path = _absolute(out, within)
    if names_folder(out, within):
        targets = _made_targets(path, prompt, count, wanted, within)
    elif not within and _is_special(path):
        targets = (_stream(path, count, wanted),)
    else:
        path = add_suffix(path, wanted)
        format_ = _format_of(path, wanted)
        targets = tuple(Target(name, format_, force, within=within) for name in number_names(path, count))
    for target in targets:
        if not (may_exist and os.path.lexists(target.path)):
            check(target)
    return targets


def names_folder(out: str | None, within: tuple[str, ...] = ()) -> bool:
    """Whether ``out`` is a folder for a name that this program makes: none given, an existing one, or ``new/``."""
    if out is None:
        return True
    is_named_so = os.path.basename(out) in {"", os.curdir, os.pardir}
    return out not in {"", STDOUT} and (is_named_so or os.path.isdir(os.path.join(*within[:1], out)))


def add_suffix(path: str, wanted: PictureFormat | None) -> str:
    """The path, with the suffix of the ``wanted`` format (or ``.png``) if its name has no dot in it."""
    return path if "." in os.path.basename(path) else path + SUFFIXES[wanted or "png"]


def _made_targets(
    folder: str, prompt: str, count: int, wanted: PictureFormat | None, within: tuple[str, ...]
) -> tuple[Target, ...]:
    """Targets in ``folder`` with names made of the prompt. They are never forced: the user named no file."""
    from codex_imagegen.images import names

    base = os.path.join(folder, names.prompt_stem(prompt) + SUFFIXES[wanted or "png"])
    format_ = _format_of(base, wanted)
    if count == 1:
        return (Target(names.free_name(base), format_, base=base, within=within),)
    base = names.free_series(base)
    return tuple(
        Target(name, format_, base=base, next_number=count + 1, within=within) for name in number_names(base, count)
    )


def number_names(path: str, count: int) -> tuple[str, ...]:
    """``path`` for one picture; ``stem-1.png``, ``stem-2.png``, … for more."""
    if count == 1:
        return (path,)
    stem, suffix = os.path.splitext(path)
    return tuple(f"{stem}-{index}{suffix}" for index in range(1, count + 1))


def free_name(target: Target) -> str:
    """A file name for the picture that could not be written to ``target``: the same if it is free or to be replaced."""
    from codex_imagegen.images import names

    return target.path if target.force else names.free_name(target.path)


def check(target: Target) -> None:
    """Raise what :func:`write` would raise now; leaves nothing behind."""
    if target.is_stdout or target.is_stream:
        return
    if target.within:
        containment.resolve_inside(target.path, target.within, "output")
    if target.base is None:  # else another run may take the name at any time, and the next one is tried
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

    path, replaced = target.path, False
    if target.is_stdout:
        _write_stdout(picture.data)
    elif target.is_stream:
        _write_stream(picture.data, target.path)
    else:
        path, replaced = _write_file(picture.data, target)
    return Image(
        path=path,
        format=picture.format,
        width=picture.width,
        height=picture.height,
        bytes=len(picture.data),
        sha256=hashlib.sha256(picture.data).hexdigest(),
        original=original,
        revised_prompt=picture.revised_prompt,
        replaced=replaced,
    )


def _stdout(count: int, wanted: PictureFormat | None) -> Target:
    if count > 1:
        raise UsageError("stdout takes one picture, not several", hint="give --out a file name")
    if sys.stdout is None:
        raise OutUnwritable("stdout can't be written: it is closed", hint="give --out a file name")
    if sys.stdout.isatty():
        raise UsageError("a picture can't be printed on a terminal", hint="redirect stdout, or give --out a file name")
    return Target(STDOUT, wanted)


def _absolute(out: str | None, within: tuple[str, ...]) -> str:
    if out is None:
        return os.path.abspath(within[0] if within else os.curdir)
    if "\0" in out or not out:
        raise UsageError("--out is not a file name", hint="give --out a file name that ends in .png, .jpg or .webp")
    if out == STDOUT:  # inside folders; a file "-.png" is not what was meant
        raise UsageError("a picture can't go to stdout here", hint="give a file name, or a folder")
    return containment.resolve_inside(out, within, "output") if within else os.path.abspath(out)


def _is_special(path: str) -> bool:
    """Whether it is a device, a pipe or a socket."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _stream(path: str, count: int, wanted: PictureFormat | None) -> Target:
    """The target for a pipe or a device that takes any bytes; a pipe is opened only when there is a picture."""
    if count > 1:
        raise UsageError(f"{path!r} takes one picture, not several", hint="give --out a file name or a folder")
    mode = os.stat(path).st_mode
    if not stat.S_ISFIFO(mode):
        if not stat.S_ISCHR(mode):
            raise OutUnwritable(f"{path!r} is not a regular file", hint="choose another --out")
        _check_device(path)
    format_ = format_of(path)
    return Target(path, wanted if format_ is None else _format_of(path, wanted), is_stream=True)


def _check_device(path: str) -> None:
    try:
        with open(path, "wb", buffering=0, opener=descriptors.open_stream) as device:
            is_terminal = device.isatty()
    except OSError as error:
        raise _unwritable(path, error) from error
    if is_terminal:
        raise UsageError("a picture can't be printed on a terminal", hint="give --out a file name")


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


def _check_free(target: Target) -> bool:
    """Whether the target is a file to replace; raises what :func:`check` raises for a name that is taken."""
    try:
        mode = os.lstat(target.path).st_mode
        if target.force and stat.S_ISLNK(mode):
            mode = os.stat(target.path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _unwritable(target.path, error) from error
    if not target.force:
        raise OutExists(f"{target.path!r} already exists", hint="choose another --out, or give --force to replace it")
    if not stat.S_ISREG(mode):
        raise OutUnwritable(f"{target.path!r} is not a regular file", hint="choose another --out")
    return True


def _write_file(data: bytes, target: Target) -> tuple[str, bool]:
    """Write the file; returns its path, and whether another file was replaced."""
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


def _publish(temporary: str, path: str, target: Target, at: int | None) -> tuple[str, bool]:
    if target.force:
        replaces = _check_free(target)
        atomic.replace(temporary, path, at)
        return target.path, replaces
    for name in _names(target, path):
        try:
            atomic.publish(temporary, name, at)
        except FileExistsError:
            continue
        return name, False
    raise OutExists(f"{path!r} appeared during the run and was left alone", spent=True)


def _names(target: Target, path: str) -> Iterator[str]:
    """The names to try in turn: the only one that the user gave, or without end those that this program makes."""
    yield path
    if target.base is not None:
        from codex_imagegen.images import names

        yield from names.free_names(target.base, target.next_number)


def _write_stdout(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is closed"
        raise OutUnwritable(f"stdout can't be written: {reason}", spent=True) from error


def _write_stream(data: bytes, path: str) -> None:
    try:
        with open(path, "wb", opener=descriptors.open_stream) as stream:
            os.set_blocking(stream.fileno(), True)
            stream.write(data)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OutUnwritable(f"{path!r} can't be written: no program reads from it", spent=True) from error
        raise _unwritable(path, error, spent=True) from error


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
