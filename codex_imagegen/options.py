"""The options of a picture by their names, checked by type, as a request: for a batch's jobs, Python and MCP alike.

The command line has them from click, typed already, and shares :func:`request`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from codex_imagegen.errors import UsageError
from codex_imagegen.model import Request

WISHES = ("size", "aspect_ratio", "resolution", "quality", "transparent", "format", "fit")
"""Those that say how the picture should look (see :class:`~codex_imagegen.model.Wishes`)."""


def request(options: Mapping[str, Any]) -> Request:
    """The request that options of the right types mean; raises :class:`UsageError` for wishes that mean nothing."""
    plain = {name: value for name, value in options.items() if name not in WISHES}
    wished = {name: options[name] for name in WISHES if options.get(name) not in (None, False)}
    if wished:
        from codex_imagegen import wishes

        plain["wishes"] = wishes.parse(**wished)
    return Request(**plain)


def typed(name: str, value: Any, *, hint: str) -> Any:
    """The value of a known option, made sure of its type; raises :class:`UsageError` for another one."""
    try:
        return TYPES[name](value)
    except TypeError as error:
        raise UsageError(f"{name!r} must be {error}", hint=hint) from error


def closest(name: str, names: Mapping[str, Any]) -> str:
    """What to do about a name that is none of these."""
    from difflib import get_close_matches

    close = get_close_matches(name, names, 1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise TypeError("valid Unicode text") from error
    return value


def _path(value: Any) -> str:
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise TypeError("a string")
    try:
        os.fsencode(path)
    except UnicodeEncodeError as error:
        raise TypeError("valid Unicode text") from error
    return path


def _paths(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(each, (str, os.PathLike)) for each in values):
        raise TypeError("a list of strings")
    return tuple(_path(each) for each in values)


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(each, str) for each in values):
        raise TypeError("a list of strings")
    return tuple(_text(each) for each in values)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a number")
    return float(min(max(value, -1), 1e9))  # beyond that it is refused anyway, and an int may be too large for a float


def _whole(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():  # JSON knows one kind of number
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


TYPES: dict[str, Callable[[Any], Any]] = {
    "prompt": _text, "refs": _paths, "out": _path, "timeout_sec": _number, "force": _flag, "full_turn": _flag,
    "codex": _path, "model": _text, "codex_args": _texts, "backend": _text, "size": _text, "aspect_ratio": _text,
    "resolution": _text, "quality": _text, "transparent": _flag, "format": _text, "fit": _flag, "count": _whole,
    "jobs": _whole,
}  # fmt: skip
"""Every option of a picture, and what makes sure of its type: a TypeError says what it must be."""
