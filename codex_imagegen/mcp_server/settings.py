"""What the server's owner allows, said once when it starts: a calling model can't change it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from codex_imagegen.backends import BACKENDS
from codex_imagegen.errors import UsageError

PREVIEW_KB = 700
"""Of 1,000 characters of base64: hosts take tool results of some 1 MB, and the words beside it need room."""

JOBS = 4
"""Calls that are worked on at once: hosts send a handful, and one that waits comes nearer to its host's patience."""

MAX_COUNT = 10
"""Pictures of one call: what a model asks for by mistake, or was talked into, costs no more than that."""


@dataclass(frozen=True)
class Settings:
    """``roots`` are real paths of folders for pictures, ``ref_roots`` of those for references; relative paths begin in
    the first. ``backends`` are those that a call may choose, the first the default; ``codex_args`` go to every Codex.
    """

    roots: tuple[str, ...]
    ref_roots: tuple[str, ...]
    backends: tuple[str, ...] = ("codex",)
    preview_kb: int = PREVIEW_KB
    jobs: int = JOBS
    codex: str | None = None
    codex_args: tuple[str, ...] = ()


def at_least(option: str, number: int, least: int) -> int:
    """The number; raises :class:`UsageError` for a smaller one."""
    if number < least:
        raise UsageError(f"{option} can't be {number}", hint=f"give a number from {least}")
    return number


def backends(names: Sequence[str]) -> tuple[str, ...]:
    """The ways to a picture that are offered; raises :class:`UsageError` for one that is unknown."""
    for name in names:
        if name not in BACKENDS:
            raise UsageError(f"there is no backend {name!r}", hint="use codex or runcomfy")
    return tuple(dict.fromkeys(names)) or ("codex",)


def folders(roots: Sequence[str], more_for_refs: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Where pictures may be written, and where references may be read: by default in the working folder.

    Raises :class:`UsageError` for what is no folder, and where the working folder would be no bounds at all.
    """
    out = tuple(_resolve_folder("--root", root) for root in roots) or (_working_folder(),)
    refs = tuple(_resolve_folder("--ref-root", root) for root in more_for_refs)
    return out, tuple(dict.fromkeys((*out, *refs)))


def _resolve_folder(option: str, path: str) -> str:
    real = os.path.realpath(os.path.expanduser(path)) if path and "\0" not in path else path
    if not os.path.isdir(real):
        raise UsageError(f"{option} {path!r} is no folder", hint="name a folder that is there")
    return _check_unicode(real)


def _working_folder() -> str:
    here = os.path.realpath(os.curdir)
    if here in {os.sep, os.path.realpath(os.path.expanduser("~"))}:
        raise UsageError(
            f"the working folder is {here!r}, and a model should not write all over it",
            hint="name the folders for its pictures: codex-imagegen mcp --root DIR",
        )
    return _check_unicode(here)


def _check_unicode(folder: str) -> str:
    """The folder; raises :class:`UsageError` for one that no message of the protocol can name."""
    try:
        folder.encode()
    except UnicodeEncodeError as error:
        told = f"the name of the folder {folder!r} is no Unicode text, so no client can be told of it"
        raise UsageError(told, hint="choose another folder with --root DIR") from error
    return folder
