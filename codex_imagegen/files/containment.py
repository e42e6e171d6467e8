"""Folders that pictures and references must not leave, for callers that are not the user, such as a model.

The real path is checked, and again when it is opened: each folder is opened relative to the one above it, without
following a symbolic link, in case one was replaced meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from codex_imagegen.errors import UsageError
from codex_imagegen.platform import descriptors


class OutsideFolders(OSError):
    """A path that was changed after the check, and now leads outside the allowed folders."""

    def __init__(self) -> None:
        super().__init__(0, "it now leads outside the allowed folders")


def resolve_inside(path: str, roots: Sequence[str], what: str) -> str:
    """The absolute path, which lies inside ``roots``; a relative one begins in the first of these real paths.

    Raises :class:`UsageError` for a path with ``..`` in it, or one that leads outside, whether it exists or not.
    ``what`` names the path in the message.
    """
    joined = os.path.join(roots[0], path)
    if os.pardir in path.split(os.sep) or "\0" in path or _root(os.path.realpath(joined), roots) is None:
        allowed = " or ".join(repr(root) for root in roots)
        raise UsageError(f"the {what} {path!r} is outside {allowed}", hint="stay inside, without .. or a link outside")
    return os.path.abspath(joined)


@contextlib.contextmanager
def open_inside(path: str, roots: Sequence[str], *, make: bool = False) -> Iterator[int | None]:
    """A context of the descriptor of a folder inside ``roots``, or None where there are no roots.

    ``make`` creates missing folders. Raises :class:`OutsideFolders` where it leads outside by now, and OSError as
    ``os.open`` does.
    """
    if not roots:
        if make:
            os.makedirs(path, exist_ok=True)
        yield None
        return
    real = os.path.realpath(path)
    root = _root(real, roots)
    if root is None:
        raise OutsideFolders
    with open_below(root, real, make=make) as at:
        yield at


@contextlib.contextmanager
def open_below(root: str, real: str, *, make: bool = False) -> Iterator[int]:
    """A context of the descriptor of ``real``, opened from ``root`` down; both are real paths."""
    at = descriptors.open_folder(root)
    try:
        for name in os.path.relpath(real, root).split(os.sep):
            if name != os.curdir:
                with open_subfolder(name, at, make=make) as folder:
                    os.dup2(folder, at, inheritable=False)
        yield at
    finally:
        os.close(at)


@contextlib.contextmanager
def open_subfolder(name: str, at: int, *, make: bool = False) -> Iterator[int]:
    """A context of the descriptor of a folder in the open folder ``at``; a symbolic link raises OSError."""
    if make:
        with contextlib.suppress(FileExistsError):
            descriptors.make_folder(name, at=at)
    folder = descriptors.open_folder(name, at=at)
    try:
        yield folder
    finally:
        os.close(folder)


def _root(real: str, roots: Sequence[str]) -> str | None:
    """The root that a real path lies in, or None."""
    return next((root for root in roots if root in (os.sep, real) or real.startswith(root + os.sep)), None)
