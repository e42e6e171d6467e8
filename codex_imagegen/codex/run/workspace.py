"""The private folders of one run: an empty working folder, which identifies its rollout, and a folder of references.

The working folder is locked during a run, and Codex inherits the lock. After this program was killed, the lock shows
whether the Codex that it started is still running.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from codex_imagegen.errors import OutUnwritable
from codex_imagegen.files.opening import is_locked
from codex_imagegen.platform import descriptors
from codex_imagegen.request import SUFFIXES

if TYPE_CHECKING:
    from codex_imagegen.images.references import Reference

PREFIX = "codex-imagegen-run-"
_NAME = re.escape(PREFIX) + r"[0-9a-f]{16}"
_REFERENCES_PREFIX = "codex-imagegen-ref-"
_COPY = r"\d{1,2}\.(?:png|jpg|webp)"
_FALLBACKS = ("/tmp", "/var/tmp")  # noqa: S108 - each run makes a private folder of a random name there
_UNSAFE = frozenset(',"<>\\&')
"""``-i`` splits at commas; the model sees ``<image … path="…">``, and repeats the path in JSON."""

_MAX_PATH = 1000
"""Characters of a path that the model has to repeat without an error."""


def choose_path() -> str:
    """The path of a new working folder, which is not created yet."""
    return os.path.join(_temporary(), PREFIX + os.urandom(8).hex())


def is_working_folder(path: str) -> bool:
    """Whether a path has the form that :func:`choose_path` returns; it need not exist."""
    return os.path.isabs(path) and re.fullmatch(_NAME, os.path.basename(path)) is not None


def possible_paths(folder: str) -> list[str]:
    """The paths at which a working folder may lie: its own, and its name in the temporary folders.

    No other folder has its name, but its path may differ (in a container, through a bind mount).
    """
    name = os.path.basename(folder)
    return list(dict.fromkeys([folder, *(os.path.join(path, name) for path in (_temporary(), *_FALLBACKS))]))


@contextlib.contextmanager
def workspace(references: Sequence[Reference] = (), folder: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """A context of (empty working folder, private copies of the references); both are removed when it ends.

    ``folder`` comes from :func:`choose_path`. The copies have short names, and lie beside the working folder.
    Raises :class:`OutUnwritable` where no file can be created in the temporary folder, or Codex can't take its path.
    """
    folder = folder or choose_path()
    check(folder, with_copies=bool(references))
    created: list[str] = []
    try:
        try:
            _make_folder(folder, created)
            copies_folder = _make_folder(_references_folder(folder), created) if references else ""
            copies = [_copy(copies_folder, index, reference) for index, reference in enumerate(references, 1)]
        except OSError as error:
            raise OutUnwritable(
                f"no file can be created in the temporary folder {_temporary()!r}: {error.strerror}",
                hint="free disk space there, or set TMPDIR to another folder",
                errno=error.errno,
            ) from error
        yield folder, copies
    finally:
        for path in created:
            _remove(path)


@contextlib.contextmanager
def lock_folder(folder: str) -> Iterator[tuple[int, ...]]:
    """A context of the descriptor that Codex inherits: the folder stays locked until this program and Codex have ended.

    Empty where the file system has no locks.
    """
    with contextlib.ExitStack() as stack:
        locked: tuple[int, ...] = ()
        with contextlib.suppress(OSError):
            descriptor = descriptors.beyond_streams(descriptors.open_folder(folder))
            stack.callback(os.close, descriptor)
            descriptors.lock(descriptor)
            locked = (descriptor,)
        yield locked


def may_be_in_use(folder: str) -> bool:
    """Whether a run, or the Codex of a killed run, may still work in this folder."""
    return is_in_use(folder) is not False


def is_in_use(folder: str) -> bool | None:
    """Whether a run, or the Codex of a killed run, works in this folder; None where that can't be known."""
    return is_locked(folder, folder=True)


def remove_abandoned(folder: str) -> None:
    """Remove the folders of a killed run, unless a Codex still works there.

    ``folder`` comes from a journal, which another program may have written. So only what :func:`workspace` creates is
    removed: an empty folder with such a name, directly in the temporary folder and owned by the user, and beside it the
    copies of references by their names. Other files are kept, and so is their folder.
    """
    if not is_working_folder(folder) or os.path.dirname(folder) != _temporary() or not _is_abandoned(folder):
        return
    references = _references_folder(folder)
    if _is_own(references):
        _remove_copies(references)
    with contextlib.suppress(OSError):
        os.rmdir(folder)


def _is_abandoned(folder: str) -> bool:
    return _is_own(folder) and is_locked(folder, folder=True) is False


def _is_own(path: str) -> bool:
    """Whether this is a folder of the user, and not a link to one."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(status.st_mode) and descriptors.is_own(status)


def _remove_copies(folder: str) -> None:
    """Remove the copies of references, and their folder if nothing else is in it."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            if re.fullmatch(_COPY, name):
                os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def _temporary() -> str:
    """The folder for temporary files; if Codex can't take its path, another one that is safe, if there is one.

    ``tempfile`` tries more places, and takes 6 ms to import.
    """
    given = os.path.realpath(next((d for n in ("TMPDIR", "TEMP", "TMP") if (d := os.environ.get(n))), _FALLBACKS[0]))
    if _is_safe(given):
        return given
    others = (os.path.realpath(path) for path in _FALLBACKS)
    return next((path for path in others if _is_safe(path) and _is_shared(path)), given)


def _is_safe(path: str) -> bool:
    """Whether Codex and its model can take files below this path. Bytes that are not UTF-8 are not printable either."""
    return path.isprintable() and not _UNSAFE & set(path) and len(path) <= _MAX_PATH


def _is_shared(path: str) -> bool:
    """Whether a private folder can be created here that no other user can move away."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX or not mode & 0o022) and os.access(path, os.W_OK | os.X_OK)


def check(folder: str, *, with_copies: bool) -> None:
    """Raise :class:`OutUnwritable` for a path with which Codex would draw without the references, or lose its picture.

    Without references the path may have a comma or a quote. One that is not UTF-8 is refused by Codex, or (0.111.0)
    costs a turn that leaves no session.
    """
    parent = os.path.dirname(folder)
    if not (_is_safe(parent) if with_copies else parent.isprintable()):
        raise OutUnwritable(
            f"Codex can't take the path of the temporary folder {parent!r}",
            hint="set TMPDIR to a folder with a short and plain path, without commas",
        )


def _references_folder(folder: str) -> str:
    parent, name = os.path.split(folder)
    return os.path.join(parent, name.replace(PREFIX, _REFERENCES_PREFIX))


def _make_folder(path: str, created: list[str]) -> str:
    os.mkdir(path, 0o700)
    created.append(path)
    return path


def _copy(folder: str, index: int, reference: Reference) -> str:
    path = os.path.join(folder, f"{index}{SUFFIXES[reference.format]}")
    with open(path, "xb") as file:
        file.write(reference.data)
    return path


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.rmdir(path)
        return
    import shutil

    shutil.rmtree(path, ignore_errors=True)
