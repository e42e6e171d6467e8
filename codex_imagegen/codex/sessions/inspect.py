"""Checks on a whole rollout: whether this version knows its format, and whether it has more than one turn."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing
from dataclasses import dataclass

from codex_imagegen.codex.sessions import fallback, layout, rollout
from codex_imagegen.codex.sessions.tail import HEAD, Tail
from codex_imagegen.values import as_text

MAX_BYTES = 32 * 1024 * 1024
"""The format of a larger rollout is not checked."""

_MAX_KINDS = 5
_WORD = re.compile(r"\w{1,40}")

_TURN = re.compile(rb'"type":"(?:task|turn)_(?:started|complete|aborted)"[^{}]{0,400}?"turn_id":"([^"]+)"')
"""The records of a turn's start and end (0.111.0 to 0.169.0). In a string within JSON every quote is escaped."""

_END_BYTES = 256 * 1024
"""What is read of each end of a rollout: the first turn starts within some 20 KB, the last one ends the file."""


@dataclass(frozen=True, slots=True)
class RolloutFormat:
    """The format of a rollout: the version of Codex that wrote it, and descriptions of what is unknown in it."""

    codex_version: str | None
    problems: tuple[str, ...] = ()


def check_format(path: str, deadline: float) -> RolloutFormat | None:
    """Look for records of unknown formats: an early sign that a newer Codex has changed them.

    Returns None where the rollout is empty, too large or unreadable, or ``time.monotonic()`` passed the deadline.
    """
    try:
        with closing(Tail(path)) as tail:
            return _check_lines(path, tail, deadline) if 0 < tail.unread <= MAX_BYTES else None
    except OSError:
        return None


def has_multiple_turns(path: str) -> bool:
    """Whether the rollout has more than one turn, unlike a run of this program; raises OSError if it can't be read.

    Compares the first turn named near its start with the last one named near its end. The whole file is read only where
    either end names none, as after a kill.
    """
    with open(path, "rb") as file:
        head = file.read(_END_BYTES)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _END_BYTES))
        tail = file.read(_END_BYTES) if size > _END_BYTES else head
    first, last = _TURN.findall(head)[:1], _TURN.findall(tail)[-1:]
    return first != last if first and last else len(_all_turns(path)) > 1


def _check_lines(path: str, tail: Tail, deadline: float) -> RolloutFormat | None:
    records, unrecognized = rollout.RecordReader(), fallback.UnrecognizedImages()
    kinds: dict[str, None] = {}
    image_count, is_empty = 0, True
    for line in tail.lines():
        if time.monotonic() > deadline:
            return None
        kind, is_empty = _unknown_kind(line), False
        if kind and len(kinds) < _MAX_KINDS:
            kinds[kind] = None
        if rollout.is_relevant(line[:HEAD]):
            image_count += len(records.read(line))
        unrecognized.read(line)
    if is_empty:
        return None
    problems = []
    if layout.read_meta(path) is None:
        problems.append("a first record that names no thread")
    if kinds:
        problems.append(f"records of the kind {', '.join(kinds)}")
    if not image_count and unrecognized.pictures:
        problems.append("a picture in a record of no known kind")
    return RolloutFormat(records.evidence.codex_version, tuple(problems))


def _unknown_kind(line: bytes) -> str | None:
    """The kind of a record that is not known, if it is a word."""
    if rollout.read_kind(line) in rollout.RECORD_KINDS:
        return None
    record, _pictures = rollout.parse_record(line)
    if not record:
        return None  # a torn line has no kind
    kind = as_text(record.get("type"))
    if kind is None or not _WORD.fullmatch(kind):
        return "(without a name)"
    return None if kind in rollout.RECORD_KINDS else kind


def _all_turns(path: str) -> set[bytes]:
    with closing(Tail(path, wants=lambda head: _TURN.search(head) is not None)) as tail:
        return {found[1] for line in tail.lines() if (found := _TURN.search(line))}
