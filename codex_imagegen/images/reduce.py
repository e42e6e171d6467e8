"""References that are too large to be sent: smaller copies of them, as like the original as there is room for.

Without loss first, then JPEG 95 in full colour (WebP where there is transparency), then fewer pixels. A copy stands
upright and keeps the colour profile; other metadata stay behind. What is small goes byte for byte.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from codex_imagegen.images import smaller
from codex_imagegen.images.decode import MAX_PIXELS, decoded
from codex_imagegen.images.references import Reference
from codex_imagegen.request import PictureFormat
from codex_imagegen.results import Warning_

WAIT_SEC = 0.2
STEPS: tuple[smaller.Step, ...] = (smaller.lossless, smaller.lossy, smaller.scaled)
"""From the copy that is most like the original to the one that fits in any case."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be sent at most: bytes of each file, bytes of all files together, pixels of each."""

    each: int
    total: int
    pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class _Copy:
    """What is sent of a reference, and a description of it; ``made`` is False for the original."""

    data: bytes
    format: PictureFormat
    size: tuple[int, int]
    made: bool = False

    def fits(self, level: int, room: Room) -> bool:
        return len(self.data) <= level and not self.is_wide(room)

    def is_wide(self, room: Room) -> bool:
        return self.size[0] * self.size[1] > room.pixels

    def __str__(self) -> str:
        return f"{len(self.data):,} bytes ({self.format.upper()}, {self.size[0]} × {self.size[1]})"


_lock = threading.Lock()
_latest: tuple[object, list[_Copy]] | None = None
"""What was made last, for several pictures of the same references: five large ones take some seconds."""


def fit(
    references: Sequence[Reference], room: Room, check: Callable[[], None] = lambda: None
) -> tuple[list[Reference], tuple[Warning_, ...]]:
    """The references as they are sent, and a warning for each that became smaller.

    What is over is taken from the largest alone: all of them are cut to one level, and who is below it keeps
    everything. ``check`` is called now and then, and what it raises ends the work.
    """
    before = [_Copy(one.data, one.format, one.size) for one in references]
    level = _level(before, room)
    if all(copy.fits(level, room) for copy in before):
        return list(references), ()
    after = _remembered(before, room, check)
    sent = [
        replace(one, data=copy.data, format=copy.format, size=copy.size, original=one.data) if copy.made else one
        for one, copy in zip(references, after, strict=True)
    ]
    return sent, tuple(_warning(*what) for what in zip(references, before, after, strict=True) if what[2].made)


def _warning(reference: Reference, before: _Copy, after: _Copy) -> Warning_:
    told = f"the reference {reference.given!r} is too large to arrive: {before} became a copy of {after}"
    return Warning_("reference-reduced", told)


def _remembered(before: list[_Copy], room: Room, check: Callable[[], None]) -> list[_Copy]:
    """The copies, made once for runs that go on at the same time or one after the other."""
    global _latest  # noqa: PLW0603 - one entry: some 24 MB at most
    key = room, tuple((hashlib.sha256(copy.data).digest(), copy.size) for copy in before)
    while not _lock.acquire(timeout=WAIT_SEC):
        check()
    try:
        if _latest is None or _latest[0] != key:
            _latest = key, _reduced(before, room, check)
        return _latest[1]
    finally:
        _lock.release()


def _reduced(before: list[_Copy], room: Room, check: Callable[[], None]) -> list[_Copy]:
    """Each step is taken by all that are too large still, and what one saves is there for the others' next step."""
    now = list(before)
    for step in STEPS:
        level = _level(now, room)
        for index, copy in enumerate(now):
            if not copy.fits(level, room):
                check()
                now[index] = _stepped(before[index], copy, step, level, room)
    return now


def _stepped(original: _Copy, copy: _Copy, step: smaller.Step, level: int, room: Room) -> _Copy:
    with decoded(original.data) as (image, kind):
        smaller.upright(image)
        made = step(smaller.within(image, pixels=room.pixels), kind, level)
    if made is None or (len(made.data) >= len(copy.data) and not copy.is_wide(room)):
        return copy
    return _Copy(made.data, made.format, made.size, made=True)


def _level(copies: Sequence[_Copy], room: Room) -> int:
    """The bytes to which each is cut, so that all together have room."""
    left = room.total
    for count, size in zip(range(len(copies), 0, -1), sorted(len(copy.data) for copy in copies), strict=True):
        if size > left // count:
            return min(left // count, room.each)
        left -= size
    return room.each
