"""The server's settings, given once when it starts: a calling model can't change them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from codex_imagegen.backends import BACKENDS
from codex_imagegen.errors import UsageError

PREVIEW_KB = 700
"""In 1,000 characters of base64: hosts accept tool results of about 1 MB, which hold the text as well."""

JOBS = 4
"""Calls that run at once: hosts send a handful, and a call that waits comes closer to its host's timeout."""

MAX_COUNT = 10
"""Pictures of one call: the limit of what a model can spend by mistake, or through a prompt injection."""


@dataclass(frozen=True)
class Settings:
    """The folders, backends and limits of a server.

    ``roots`` are the real paths of folders for pictures, ``ref_roots`` of folders for references; relative paths start
    in the first. ``backends`` are those that a call may choose, the first is the default. ``codex_args`` are passed to
    every Codex.
    """

    roots: tuple[str, ...]
    ref_roots: tuple[str, ...]
    backends: tuple[str, ...] = ("codex",)
    preview_kb: int = PREVIEW_KB
    jobs: int = JOBS
    codex: str | None = None
    codex_args: tuple[str, ...] = ()


def check_minimum(option: str, number: int, least: int) -> int:
    """Return the number; raises :class:`UsageError` if it is smaller than ``least``."""
    if number < least:
        raise UsageError(f"{option} can't be {number}", hint=f"give a number from {least}")
    return number


def check_backends(names: Sequence[str]) -> tuple[str, ...]:
    """Return the backends that calls may choose; raises :class:`UsageError` for an unknown one."""
    for name in names:
        if name not in BACKENDS:
            raise UsageError(f"there is no backend {name!r}", hint="use codex or runcomfy")
    return tuple(dict.fromkeys(names)) or ("codex",)


def resolve_folders(roots: Sequence[str], extra_ref_roots: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The folders where pictures may be written, and where references may be read; by default the working folder.

    Raises :class:`UsageError` for a path that is not a folder, and for a working folder that is ``/`` or the home.
    """
    out = tuple(_resolve_folder("--root", root) for root in roots) or (_working_folder(),)
    refs = tuple(_resolve_folder("--ref-root", root) for root in extra_ref_roots)
    return out, tuple(dict.fromkeys((*out, *refs)))


def _resolve_folder(option: str, path: str) -> str:
    real = os.path.realpath(os.path.expanduser(path)) if path and "\0" not in path else path
    if not os.path.isdir(real):
        raise UsageError(f"{option} {path!r} is not a folder", hint="name an existing folder")
    return _check_unicode(real)


def _working_folder() -> str:
    here = os.path.realpath(os.curdir)
    if here in {os.sep, os.path.realpath(os.path.expanduser("~"))}:
        raise UsageError(
            f"the working folder is {here!r}, and a model should not write there",
            hint="name the folders for pictures:\ncodex-imagegen mcp --root DIR",
        )
    return _check_unicode(here)


def _check_unicode(folder: str) -> str:
    """Return the folder; raises :class:`UsageError` if no message of the protocol can contain its name."""
    try:
        folder.encode()
    except UnicodeEncodeError as error:
        message = f"the name of the folder {folder!r} is not Unicode text, so no message to a client can contain it"
        raise UsageError(message, hint="choose another folder with --root DIR") from error
    return folder
