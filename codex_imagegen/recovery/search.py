"""Which session is meant, and what is to be had of it: whole pictures, or the reason why there is none.

The picture that was made last in a Codex home, whichever session it is in.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from codex_imagegen.codex.sessions import fallback, history, layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.codex.sessions.reader import SessionReader, StoredImage
from codex_imagegen.errors import DamagedPicture, ImagegenError, NoPicture, SessionMissing, UsageError
from codex_imagegen.images import structure
from codex_imagegen.images.decode import DamagedImage, decode_picture
from codex_imagegen.results import Picture, Session, Warning_

_LIST = "see what there is with: codex-imagegen recover --list"


@dataclass(slots=True)
class Found:
    """The whole pictures of one session, and what is to be said of them."""

    past: SessionRef
    pictures: list[Picture] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    warnings: tuple[Warning_, ...] = ()
    codex_version: str | None = None
    unreadable: str | None = None


def resolve(codex_home: str, word: str) -> SessionRef:
    """The session that a word of the user's means: a thread id, or a rollout file."""
    if layout.THREAD_ID.match(word):
        found = history.find(codex_home, word.lower())
        if found is None:
            raise SessionMissing(f"no session of the thread {word} is in {codex_home!r}", hint=_LIST)
        return found
    if not word.endswith((".jsonl", ".jsonl.zst")) and not os.path.isfile(word):
        raise UsageError(f"{word!r} is neither a thread id nor a rollout file", hint=_LIST)
    try:
        return history.ref_of_file(word)
    except OSError as error:
        raise SessionMissing(f"the rollout {word!r} can't be read: {error.strerror}", hint=_LIST) from error
    except ValueError as error:
        raise UsageError(f"{word!r} is no rollout: {error}", hint=_LIST) from error


def read(codex_home: str, past: SessionRef) -> Found:
    """The pictures of a session that was asked for; raises why there is none."""
    found = _look(codex_home, past)
    if not found.pictures:
        raise _nothing(found)
    return found


def _look(codex_home: str, past: SessionRef) -> Found:
    keepsake, found = SessionReader(codex_home, past), Found(past)
    _take(found, keepsake.pictures())
    if keepsake.is_damaged:
        found.damaged.append("it is torn")
    if not found.pictures and not found.damaged:
        _take(found, keepsake.unrecognized_images())
        # the largest alone, as a run would take it: a long session may hold screenshots of other tools by the hundred
        found.pictures = sorted(found.pictures, key=lambda picture: len(picture.data))[-1:]
        found.warnings += (fallback.WARNING,) if found.pictures else ()
    if found.pictures and found.damaged:
        told = f"{len(found.damaged)} more of the session is damaged and was left out: {found.damaged[0]}"
        found.warnings += (Warning_("damaged-picture", told),)
    for picture in found.pictures:
        found.warnings += structure.remarks(picture)
    found.codex_version, found.unreadable = keepsake.codex_version, keepsake.unreadable
    return found


def _take(found: Found, pictures: Iterable[StoredImage]) -> None:
    for kept in pictures:
        try:
            found.pictures.append(decode_picture(kept.data, revised_prompt=kept.revised_prompt))
        except DamagedImage as error:
            found.damaged.append(str(error))


def _nothing(found: Found) -> ImagegenError:
    path = found.past.path
    if found.damaged:
        error: ImagegenError = DamagedPicture(
            f"the picture of this session is damaged: {found.damaged[0]}", hint="make it anew"
        )
    elif found.unreadable:
        error = SessionMissing(f"the rollout {path!r} can't be read: {found.unreadable}", hint=_LIST)
    elif found.past.is_compressed and path:
        again = f"unpack it with: zstd -d {shlex.quote(path)}, then: codex-imagegen recover {shlex.quote(path[:-4])}"
        error = SessionMissing(f"the rollout {path!r} is compressed", hint=again)
    else:
        error = NoPicture("this session holds no picture", hint=_LIST)
    error.thread_id, error.codex_version = found.past.thread_id, found.codex_version
    return error


def session(codex_home: str, past: SessionRef) -> Session | None:
    """The session as a list shows it, or None where it holds no picture; nothing is decoded."""
    keepsake = SessionReader(codex_home, past)
    sizes = [len(kept.data) for kept in keepsake.pictures()]
    if not sizes:
        return None
    path = past.path or layout.pictures_folder(codex_home, past.thread_id or "")
    return Session(past.thread_id, past.created_at, keepsake.prompt, len(sizes), sum(sizes), path)


SLACK_SEC = 5.0
"""How long after its folder's last change a file in it may have been written to."""


@dataclass(frozen=True, slots=True)
class _Last:
    """A whole picture and when it was made, in Unix seconds."""

    time: float
    picture: Picture
    past: SessionRef
    codex_version: str | None


def last_picture(codex_home: str) -> Found:
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


def _better(best: _Last | None, codex_home: str, past: SessionRef, damaged: list[tuple[float, str]]) -> _Last | None:
    """The latest whole picture of this session if it is later than the best one so far."""
    keepsake = SessionReader(codex_home, past)
    for kept in _latest_first(codex_home, past, keepsake):
        if best is not None and kept.time <= best.time:
            break
        try:
            picture = decode_picture(kept.data, revised_prompt=kept.revised_prompt)
        except DamagedImage as error:
            damaged.append((kept.time, f"one of the thread {past.thread_id}: {error}"))
        else:
            return _Last(kept.time, picture, past, keepsake.codex_version)
    if keepsake.is_damaged:
        damaged.append((history.ended(codex_home, past, 0.0), f"one of the thread {past.thread_id}: it is torn"))
    return best


def _latest_first(codex_home: str, past: SessionRef, keepsake: SessionReader) -> Iterator[StoredImage]:
    """The pictures that were made in this session; of equal times the one that is recorded last comes first."""
    found = list(keepsake.pictures())
    copied = _copied(codex_home, past) if found else set()
    found.sort(key=lambda kept: kept.time)
    return (kept for kept in reversed(found) if kept.digest not in copied)


def _copied(codex_home: str, past: SessionRef) -> set[bytes]:
    """The digests of the pictures that a fork took over: Codex (to 0.141.0) copies their records, as of that moment."""
    owner = layout.read_meta(past.path) if past.path and not past.is_compressed else None
    if owner is None or not owner.forked_from or not layout.THREAD_ID.match(owner.forked_from):
        return set()
    parent = history.find(codex_home, owner.forked_from.lower())
    return {kept.digest for kept in SessionReader(codex_home, parent).pictures()} if parent else set()


def _warnings(best: _Last, damaged: list[tuple[float, str]]) -> tuple[Warning_, ...]:
    later = [told for time, told in damaged if time >= best.time]
    if not later:
        return structure.remarks(best.picture)
    told = f"{len(later)} that was made later is damaged and was left out: {later[0]}"
    return (Warning_("damaged-picture", told), *structure.remarks(best.picture))
