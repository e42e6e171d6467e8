"""Whether a rollout is of a shape that this version knows: the early sign that a newer Codex writes another one.

Whether a rollout holds one turn, as a run of ours leaves it, or more, as when somebody went on with the session.
"""

from __future__ import annotations

import os
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
    problems: tuple[str, ...] = ()


def check_format(path: str, deadline: float) -> Shape | None:
    """The shape of a rollout, or None: it is empty, too large, can't be read, or ``time.monotonic()`` passed."""
    try:
        with closing(Tail(path)) as tail:
            return _look(path, tail, deadline) if 0 < tail.unread <= MAX_BYTES else None
    except OSError:
        return None


def _look(path: str, tail: Tail, deadline: float) -> Shape | None:
    records, strays = rollout.Records(), rollout.UnrecognizedImages()
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


def _strange(path: str, kinds: dict[str, None], made: int, strays: rollout.UnrecognizedImages) -> list[str]:
    found = []
    if layout.read_meta(path) is None:
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


_TURN = re.compile(rb'"type":"(?:task|turn)_(?:started|complete|aborted)"[^{}]{0,400}?"turn_id":"([^"]+)"')
"""The records of a turn's beginning and end (0.111.0 to 0.169.0); in a string within JSON every quote is escaped."""

_END_BYTES = 256 * 1024
"""What is read of each end of a rollout: the first turn begins behind some 20 KB, the last one ends the file."""


def has_multiple_turns(path: str) -> bool:
    """Whether the rollout has more than one turn; raises OSError where it can't be read.

    The first turn named at its beginning and the last one named at its end are compared; all of it is read only where
    either end names none, as after a kill.
    """
    with open(path, "rb") as file:
        head = file.read(_END_BYTES)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _END_BYTES))
        tail = file.read(_END_BYTES) if size > _END_BYTES else head
    first, last = _TURN.findall(head)[:1], _TURN.findall(tail)[-1:]
    return first != last if first and last else len(_all(path)) > 1


def _all(path: str) -> set[bytes]:
    with closing(Tail(path, wants=lambda head: _TURN.search(head) is not None)) as rollout:
        return {found[1] for line in rollout.lines() if (found := _TURN.search(line))}
