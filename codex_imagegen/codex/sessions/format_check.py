"""Whether a rollout is of a shape that this version knows: the early sign that a newer Codex writes another one."""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass

from codex_imagegen.codex.sessions import layout, rollout
from codex_imagegen.codex.sessions.tail import HEAD, Tail

MAX_BYTES = 32 * 1024 * 1024
"""A larger rollout is not looked through."""

_MAX_KINDS = 5
_WORD = re.compile(r"\w{1,40}")


@dataclass(frozen=True, slots=True)
class Shape:
    """What a rollout looks like: who wrote it, and what in it is strange, in words."""

    codex_version: str | None
    strange: tuple[str, ...] = ()


def of(path: str, deadline: float) -> Shape | None:
    """The shape of a rollout, or None: it is empty, too large, can't be read, or ``time.monotonic()`` passed."""
    try:
        with closing(Tail(path)) as tail:
            return _look(path, tail, deadline) if 0 < tail.unread <= MAX_BYTES else None
    except OSError:
        return None


def _look(path: str, tail: Tail, deadline: float) -> Shape | None:
    records, strays = rollout.Records(), rollout.Strays()
    kinds: dict[str, None] = {}
    made, empty = 0, True
    for line in tail.lines():
        if time.monotonic() > deadline:
            return None
        kind, empty = _new_kind(line), False
        if kind and len(kinds) < _MAX_KINDS:
            kinds[kind] = None
        if rollout.wants(line[:HEAD]):
            made += len(records.read(line))
        strays.read(line)
    if empty:
        return None
    return Shape(records.evidence.codex_version, tuple(_strange(path, kinds, made, strays)))


def _strange(path: str, kinds: dict[str, None], made: int, strays: rollout.Strays) -> list[str]:
    found = []
    if layout.owner(path) is None:
        found.append("a first record that names no thread")
    if kinds:
        found.append(f"records of the kind {', '.join(kinds)}")
    if not made and strays.pictures:
        found.append("a picture in a record of no known kind")
    return found


def _new_kind(line: bytes) -> str | None:
    """The kind of a record that is not known, as far as it is a word."""
    if rollout.kind(line) in rollout.KINDS:
        return None
    record, _pictures = rollout.parse(line)
    if not record:
        return None  # torn, which is no shape
    kind = record.get("type")
    if not isinstance(kind, str) or not _WORD.fullmatch(kind):
        return "(without a name)"
    return None if kind in rollout.KINDS else kind
