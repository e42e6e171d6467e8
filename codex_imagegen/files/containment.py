"""Folders that pictures and references must not leave: for callers, such as a model, that are not the user.

A path is judged by where it really lies, and once more on the way in: each folder is opened from the one above it, and
no symbolic link is followed there, whatever was put in its place meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from codex_imagegen.errors import UsageError
from codex_imagegen.platform import opening


class Outside(OSError):
    """A path that leads out of its bounds by now."""

    def __init__(self) -> None:
        super().__init__(0, "it leads outside the allowed folders by now")


def inside(path: str, roots: Sequence[str], what: str) -> str:
    """The absolute path, which lies inside; a relative one begins in the first of the ``roots``, which are real paths.

    Raises :class:`UsageError` for one with ``..`` in it, and for one that leads outside, whether it exists or not.
    """
    whole = os.path.join(roots[0], path)
    if os.pardir in path.split(os.sep) or "\0" in path or _root(os.path.realpath(whole), roots) is None:
        allowed = " or ".join(repr(root) for root in roots)
        raise UsageError(f"the {what} {path!r} is outside {allowed}", hint="stay inside, without .. or a link outside")
    return os.path.abspath(whole)


@contextlib.contextmanager
def opened(path: str, roots: Sequence[str], *, make: bool = False) -> Iterator[int | None]:
    """A descriptor of a folder that lies inside, made where it is missing if so wanted; None where there are no roots.

    Raises :class:`Outside` where it leads outside by now, and OSError as ``os.open`` does.
    """
    if not roots:
        if make:
            os.makedirs(path, exist_ok=True)
        yield None
        return
    real = os.path.realpath(path)
    root = _root(real, roots)
    if root is None:
        raise Outside
    at = opening.open_folder(root)
    try:
        for part in os.path.relpath(real, root).split(os.sep):
            if part != os.curdir:
                _enter(at, part, make)
        yield at
    finally:
        os.close(at)


def _enter(at: int, part: str, make: bool) -> None:
    """Let the descriptor ``at`` be of the folder of that name in the folder that it is of."""
    if make:
        with contextlib.suppress(FileExistsError):
            opening.make_folder(part, at=at)
    below = opening.open_folder(part, at=at)
    os.dup2(below, at, inheritable=False)
    os.close(below)


def _root(real: str, roots: Sequence[str]) -> str | None:
    """The root that a real path lies in."""
    return next((root for root in roots if root in (os.sep, real) or real.startswith(root + os.sep)), None)
