"""The picture that was made last in a Codex home, whichever session it is in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codex_imagegen.codex.sessions import history, layout
from codex_imagegen.codex.sessions.history import Past
from codex_imagegen.codex.sessions.reader import Keepsake, Kept
from codex_imagegen.errors import NoPicture
from codex_imagegen.images import trailing_data
from codex_imagegen.images.decode import Broken, verify
from codex_imagegen.recovery.search import Found
from codex_imagegen.results import Picture, Warning_

SLACK_SEC = 5.0
"""How long after its folder's last change a file in it may have been written to."""


@dataclass(frozen=True, slots=True)
class _Last:
    """A whole picture and when it was made, in Unix seconds."""

    time: float
    picture: Picture
    past: Past
    codex_version: str | None


def last(codex_home: str) -> Found:
    """The session of the picture that was made last, with that picture alone.

    The time is that of its record, or of its file where there is no record. Sessions are read from the one that was
    changed last, until the next one was changed before the best picture was made. Raises :class:`NoPicture`.
    """
    best: _Last | None = None
    damaged: list[tuple[float, str]] = []
    for changed, past in history.changed(codex_home):
        if best is not None and changed + SLACK_SEC < best.time:
            break
        if best is None or history.ended(codex_home, past, changed) + SLACK_SEC >= best.time:
            best = _better(best, codex_home, past, damaged)
    if best is None:
        hint = "is CODEX_HOME the one that Codex uses?"
        raise NoPicture(f"no session in {codex_home!r} holds a picture", hint=hint)
    return Found(best.past, [best.picture], warnings=_warnings(best, damaged), codex_version=best.codex_version)


def _better(best: _Last | None, codex_home: str, past: Past, damaged: list[tuple[float, str]]) -> _Last | None:
    """The latest whole picture of this session if it is later than the best one so far."""
    keepsake = Keepsake(codex_home, past)
    for kept in _latest_first(codex_home, past, keepsake):
        if best is not None and kept.time <= best.time:
            break
        try:
            picture = verify(kept.data, revised_prompt=kept.revised_prompt)
        except Broken as error:
            damaged.append((kept.time, f"one of the thread {past.thread_id}: {error}"))
        else:
            return _Last(kept.time, picture, past, keepsake.codex_version)
    if keepsake.torn:
        damaged.append((history.ended(codex_home, past, 0.0), f"one of the thread {past.thread_id}: it is torn"))
    return best


def _latest_first(codex_home: str, past: Past, keepsake: Keepsake) -> Iterator[Kept]:
    """The pictures that were made in this session; of equal times the one that is recorded last comes first."""
    found = list(keepsake.pictures())
    copied = _copied(codex_home, past) if found else set()
    found.sort(key=lambda kept: kept.time)
    return (kept for kept in reversed(found) if kept.digest not in copied)


def _copied(codex_home: str, past: Past) -> set[bytes]:
    """The digests of the pictures that a fork took over: Codex (to 0.141.0) copies their records, as of that moment."""
    owner = layout.owner(past.path) if past.path and not past.packed else None
    if owner is None or not owner.forked_from or not layout.THREAD_ID.match(owner.forked_from):
        return set()
    parent = history.find(codex_home, owner.forked_from.lower())
    return {kept.digest for kept in Keepsake(codex_home, parent).pictures()} if parent else set()


def _warnings(best: _Last, damaged: list[tuple[float, str]]) -> tuple[Warning_, ...]:
    later = [told for time, told in damaged if time >= best.time]
    if not later:
        return trailing_data.remarks(best.picture)
    told = f"{len(later)} that was made later is damaged and was left out: {later[0]}"
    return (Warning_("damaged-picture", told), *trailing_data.remarks(best.picture))
