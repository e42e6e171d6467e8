"""What a job may say: the default command's options by their names, checked by type, as a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codex_imagegen import generation, wishes
from codex_imagegen.errors import UsageError
from codex_imagegen.model import DEFAULT_TIMEOUT_SEC, Request

WISHES = ("size", "aspect_ratio", "resolution", "quality", "transparent", "format", "fit")
ALIASES = {"ref": "refs", "codex_arg": "codex_args"}
NOT_A_JOBS = {"count", "jobs", "prompt_file", "json", "quiet", "verbose", "events", "show"}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise TypeError("valid Unicode text") from error
    return value


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(each, str) for each in values):
        raise TypeError("a list of strings")
    return tuple(_text(each) for each in values)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a number")
    return float(min(max(value, -1), 1e9))  # beyond that it is refused anyway, and an int may be too large for a float


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


KEYS: dict[str, Callable[[Any], Any]] = {
    "prompt": _text, "refs": _texts, "out": _text, "timeout_sec": _number, "force": _flag, "full_turn": _flag,
    "codex": _text, "model": _text, "codex_args": _texts, "backend": _text, "size": _text, "aspect_ratio": _text,
    "resolution": _text, "quality": _text, "transparent": _flag, "format": _text, "fit": _flag,
}  # fmt: skip
"""Every key of a job, and what makes sure of its type."""


def fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The keys and values of a job, by the names of :data:`KEYS`; null is the same as left out.

    Raises :class:`UsageError` for a key that is unknown or there twice, and for a value of the wrong type.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        name = _name(key)
        if name in found:
            raise UsageError(f"{key!r} is there twice", hint="leave one out")
        try:
            found[name] = None if value is None else KEYS[name](value)
        except TypeError as error:
            raise UsageError(f"{key!r} must be {error}", hint="see the README on jobs") from error
    return {name: value for name, value in found.items() if value is not None}


def request(found: Mapping[str, Any], defaults: Mapping[str, Any], out: str) -> Request:
    """The request of a job whose picture goes to ``out``; raises :class:`UsageError` for values that can't be meant."""
    known = {**defaults, **found}
    if "prompt" not in known:
        raise UsageError("there is no prompt", hint='say what to draw: {"prompt": "…"}')
    wished = wishes.parse(**{name: known[name] for name in WISHES if name in known})
    plain = {name: known[name] for name in known if name not in (*WISHES, "out")}
    whole = Request(**{"timeout_sec": DEFAULT_TIMEOUT_SEC, **plain}, out=out, wishes=wished)
    generation.check(whole)
    return whole


def _name(key: str) -> str:
    name = key.replace("-", "_")
    name = ALIASES.get(name, name)
    if name in KEYS:
        return name
    if name in NOT_A_JOBS:
        raise UsageError(f"{key!r} can't be set for one job", hint="leave it out")
    from difflib import get_close_matches

    close = get_close_matches(name, KEYS, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"the keys are {', '.join(KEYS)}"
    raise UsageError(f"{key!r} is no key of a job", hint=hint)
