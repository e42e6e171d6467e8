"""Whether a rollout holds one turn, as a run of ours leaves it, or more, as when somebody went on with the session."""

from __future__ import annotations

import os
import re
from contextlib import closing

from codex_imagegen.codex.sessions.tail import Tail

_TURN = re.compile(rb'"type":"(?:task|turn)_(?:started|complete|aborted)"[^{}]{0,400}?"turn_id":"([^"]+)"')
"""The records of a turn's beginning and end (0.111.0 to 0.169.0); in a string within JSON every quote is escaped."""

_END_BYTES = 256 * 1024
"""What is read of each end of a rollout: the first turn begins behind some 20 KB, the last one ends the file."""


def several(path: str) -> bool:
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
