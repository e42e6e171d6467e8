"""The private folders of one run: an empty one to work in, which proves whose rollout it is, and one for references.

While a run goes on, its working folder is locked, and the lock is Codex's too: where we were killed, it tells whether
the Codex that we left behind is still there.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence

from codex_imagegen.errors import OutUnwritable
from codex_imagegen.files.locks import is_locked
from codex_imagegen.images.references import Reference
from codex_imagegen.platform import locks, opening
from codex_imagegen.request import SUFFIXES

PREFIX = "codex-imagegen-run-"
_NAME = re.compile(re.escape(PREFIX) + r"[0-9a-f]{16}")
_SHELF = "codex-imagegen-ref-"
_COPY = re.compile(r"\d{1,2}\.(?:png|jpg|webp)")
_FALLBACKS = ("/tmp", "/var/tmp")  # noqa: S108 - each run makes a private folder of a random name there
_UNSAFE = frozenset(',"<>\\&')
"""``-i`` splits at commas; the model is shown ``<image … path="…">``, and repeats the path in JSON."""

_MAX_PATH = 1000
"""Characters of a path that the model has to repeat without a slip."""


def choose() -> str:
    """The path of a working folder that nobody else has; it is not made yet."""
    return os.path.join(_temporary(), PREFIX + os.urandom(8).hex())


def is_ours(path: str) -> bool:
    """Whether a path is that of a working folder as :func:`choose` names it, there or not."""
    return os.path.isabs(path) and _NAME.fullmatch(os.path.basename(path)) is not None


def places(folder: str) -> list[str]:
    """Where a working folder may lie: as it is named, and in our own temporary folders.

    Its name is nobody else's; the way to it may be spelled otherwise (in a container, through a bind mount).
    """
    name = os.path.basename(folder)
    return list(dict.fromkeys([folder, *(os.path.join(path, name) for path in (_temporary(), *_FALLBACKS))]))


@contextlib.contextmanager
def workspace(references: Sequence[Reference] = (), folder: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """A context of (empty working folder, private copies of the references); both are gone when it ends.

    ``folder`` is one that was chosen before. The copies have short names, and lie beside the working folder, not in it.
    Raises :class:`OutUnwritable` where the temporary folder takes no files, or Codex could not take its path.
    """
    folder = folder or choose()
    _check(folder, with_copies=bool(references))
    made: list[str] = []
    try:
        try:
            _make(folder, made)
            shelf = _make(_shelf(folder), made) if references else ""
            copies = [_copy(shelf, index, reference) for index, reference in enumerate(references, 1)]
        except OSError as error:
            raise OutUnwritable(
                f"the temporary folder {_temporary()!r} takes no files: {error.strerror}",
                hint="make room there, or set TMPDIR to another folder",
                errno=error.errno,
            ) from error
        yield folder, copies
    finally:
        for path in made:
            _remove(path)


@contextlib.contextmanager
def held(folder: str) -> Iterator[tuple[int, ...]]:
    """A context of the descriptor to be handed on to Codex, by which the folder stays locked until both of us are gone.

    Empty where the file system knows no locks.
    """
    with contextlib.ExitStack() as stack:
        descriptors: tuple[int, ...] = ()
        with contextlib.suppress(OSError):
            descriptor = opening.beyond_streams(opening.open_folder(folder))
            stack.callback(os.close, descriptor)
            locks.lock(descriptor)
            descriptors = (descriptor,)
        yield descriptors


def is_held(folder: str) -> bool:
    """Whether a run, or the Codex that one left behind, may still work in this folder."""
    return held_by_somebody(folder) is not False


def held_by_somebody(folder: str) -> bool | None:
    """The same, with None where nobody can know."""
    return is_locked(folder, folder=True)


def sweep(folder: str) -> None:
    """Remove the folders of a run that was killed, once nobody works there.

    ``folder`` is what a journal says, and anybody can write a journal. So nothing is removed but what :func:`workspace`
    makes, where it makes it now: an empty folder of its name, directly in the temporary folder and our own, and beside
    it the copies of references by their names. What else lies there stays, and keeps its folder.
    """
    if not is_ours(folder) or os.path.dirname(folder) != _temporary() or not _is_own(folder) or is_held(folder):
        return
    shelf = _shelf(folder)
    if _is_own(shelf):
        _clear(shelf)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _is_own(path: str) -> bool:
    """Whether it is a folder, no link to one, and the user's own."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(status.st_mode) and opening.is_own(status)


def _clear(shelf: str) -> None:
    """Remove the copies of references, and their folder if nothing else is in it."""
    with contextlib.suppress(OSError):
        for name in os.listdir(shelf):
            if _COPY.fullmatch(name):
                os.unlink(os.path.join(shelf, name))
        os.rmdir(shelf)


def _temporary() -> str:
    """The folder for temporary files; another one where Codex could not take its path, and there is a better one.

    ``tempfile`` would look at more places, and costs 6 ms to import.
    """
    given = os.path.realpath(next((d for n in ("TMPDIR", "TEMP", "TMP") if (d := os.environ.get(n))), _FALLBACKS[0]))
    if _is_safe(given):
        return given
    others = (os.path.realpath(path) for path in _FALLBACKS)
    return next((path for path in others if _is_safe(path) and _is_shared(path)), given)


def _is_safe(path: str) -> bool:
    """Whether Codex and its model can take files below this path: bytes that are no UTF-8 are not printable either."""
    return path.isprintable() and not _UNSAFE & set(path) and len(path) <= _MAX_PATH


def _is_shared(path: str) -> bool:
    """Whether a private folder can be made here that nobody else can move away."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX or not mode & 0o022) and os.access(path, os.W_OK | os.X_OK)


def _check(folder: str, *, with_copies: bool) -> None:
    """Raise :class:`OutUnwritable` for a path with which Codex would draw without the references, or lose its picture.

    A working folder alone may have a comma or a quote in its path: Codex refuses what is not UTF-8, or (0.111.0) spends
    a turn and leaves no session.
    """
    parent = os.path.dirname(folder)
    if not (_is_safe(parent) if with_copies else parent.isprintable()):
        raise OutUnwritable(
            f"Codex can't take the path of the temporary folder {parent!r}",
            hint="set TMPDIR to a folder with a short and plain path, without commas",
        )


def _shelf(folder: str) -> str:
    parent, name = os.path.split(folder)
    return os.path.join(parent, name.replace(PREFIX, _SHELF))


def _make(path: str, made: list[str]) -> str:
    os.mkdir(path, 0o700)
    made.append(path)
    return path


def _copy(shelf: str, index: int, reference: Reference) -> str:
    path = os.path.join(shelf, f"{index}{SUFFIXES[reference.format]}")
    with open(path, "xb") as file:
        file.write(reference.data)
    return path


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)
        return
    import shutil

    shutil.rmtree(path, ignore_errors=True)
