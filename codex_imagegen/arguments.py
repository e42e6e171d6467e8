"""The keyword arguments of the Python API: their types, for those who collect them, and what makes sure of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from codex_imagegen import options
from codex_imagegen.errors import UsageError
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import STDOUT, Event

StrPath = str | os.PathLike[str]
HINT = "see docs/api.md"


Job = str | Mapping[str, Any]
"""A job of a batch: a prompt, or a mapping with ``prompt`` and any option by its name."""


class Look(TypedDict, total=False):
    """The options that :func:`generate`, :func:`edit` and :func:`batch` share, for ``**look``."""

    size: str | tuple[int, int] | None
    aspect_ratio: str | None
    resolution: Literal["1k", "2k", "4k"] | None
    quality: Literal["low", "medium", "high"] | None
    transparent: bool
    fit: bool
    format: Literal["png", "jpeg", "webp"] | None
    backend: Literal["codex", "runcomfy"]
    full_turn: bool
    codex: StrPath | None
    codex_home: StrPath | None
    model: str | None
    codex_args: Sequence[str]


class Options(Look, total=False):
    """The options of :func:`generate` and :func:`edit`, for ``**options``; they are explained there."""

    out: StrPath | None
    timeout_sec: float
    count: int
    jobs: int | None
    force: bool
    skip_existing: bool
    on_event: Callable[[Event], None] | None
    interrupt: Interrupt | None


def one(name: str, value: Any, kind: Callable[[Any], Any]) -> Any:
    """An argument of a type of its own, made sure of it, or None; raises :class:`UsageError`."""
    return None if value is None else options.typed(name, value, hint=HINT, kind=kind)


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were given, made sure of their types; raises :class:`UsageError`."""
    for name in given:
        if name not in options.TYPES:
            raise UsageError(f"there is no argument {name!r}", hint=options.closest(name, options.TYPES))
    found = {
        name: options.typed(name, value, hint=HINT)
        for name, value in given.items()
        if value is not None or name == "prompt"
    }
    if found.get("out") == STDOUT:
        raise UsageError("a program can't have a picture on its stdout", hint="give out a file name")
    return found
