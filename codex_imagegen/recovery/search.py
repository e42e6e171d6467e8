"""Which session is meant, and what is to be had of it: whole pictures, or the reason why there is none."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from codex_imagegen.codex.sessions import fallback, history, layout
from codex_imagegen.codex.sessions.history import Past
from codex_imagegen.codex.sessions.reader import Keepsake, Kept
from codex_imagegen.errors import DamagedPicture, ImagegenError, NoPicture, SessionMissing, UsageError
from codex_imagegen.images import trailing_data
from codex_imagegen.images.decode import Broken, verify
from codex_imagegen.results import Picture, Session, Warning_

_LIST = "see what there is with: codex-imagegen recover --list"


@dataclass(slots=True)
class Found:
    """The whole pictures of one session, and what is to be said of them."""

    past: Past
    pictures: list[Picture] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    warnings: tuple[Warning_, ...] = ()
    codex_version: str | None = None
    unreadable: str | None = None


def resolve(codex_home: str, word: str) -> Past:
    """The session that a word of the user's means: a thread id, or a rollout file."""
    if layout.THREAD_ID.match(word):
        found = history.find(codex_home, word.lower())
        if found is None:
            raise SessionMissing(f"no session of the thread {word} is in {codex_home!r}", hint=_LIST)
        return found
    if not word.endswith((".jsonl", ".jsonl.zst")) and not os.path.isfile(word):
        raise UsageError(f"{word!r} is neither a thread id nor a rollout file", hint=_LIST)
    try:
        return history.of_file(word)
    except OSError as error:
        raise SessionMissing(f"the rollout {word!r} can't be read: {error.strerror}", hint=_LIST) from error
    except ValueError as error:
        raise UsageError(f"{word!r} is no rollout: {error}", hint=_LIST) from error


def read(codex_home: str, past: Past) -> Found:
    """The pictures of a session that was asked for; raises why there is none."""
    found = _look(codex_home, past)
    if not found.pictures:
        raise _nothing(found)
    return found


def _look(codex_home: str, past: Past) -> Found:
    keepsake, found = Keepsake(codex_home, past), Found(past)
    _take(found, keepsake.pictures())
    if keepsake.torn:
        found.damaged.append("it is torn")
    if not found.pictures and not found.damaged:
        _take(found, keepsake.strays())
        # the largest alone, as a run would take it: a long session may hold screenshots of other tools by the hundred
        found.pictures = sorted(found.pictures, key=lambda picture: len(picture.data))[-1:]
        found.warnings += (fallback.WARNING,) if found.pictures else ()
    if found.pictures and found.damaged:
        told = f"{len(found.damaged)} more of the session is damaged and was left out: {found.damaged[0]}"
        found.warnings += (Warning_("damaged-picture", told),)
    for picture in found.pictures:
        found.warnings += trailing_data.remarks(picture)
    found.codex_version, found.unreadable = keepsake.codex_version, keepsake.unreadable
    return found


def _take(found: Found, pictures: Iterable[Kept]) -> None:
    for kept in pictures:
        try:
            found.pictures.append(verify(kept.data, revised_prompt=kept.revised_prompt))
        except Broken as error:
            found.damaged.append(str(error))


def _nothing(found: Found) -> ImagegenError:
    path = found.past.path
    if found.damaged:
        error: ImagegenError = DamagedPicture(
            f"the picture of this session is damaged: {found.damaged[0]}", hint="make it anew"
        )
    elif found.unreadable:
        error = SessionMissing(f"the rollout {path!r} can't be read: {found.unreadable}", hint=_LIST)
    elif found.past.packed and path:
        again = f"unpack it with: zstd -d {shlex.quote(path)}, then: codex-imagegen recover {shlex.quote(path[:-4])}"
        error = SessionMissing(f"the rollout {path!r} is compressed", hint=again)
    else:
        error = NoPicture("this session holds no picture", hint=_LIST)
    error.thread_id, error.codex_version = found.past.thread_id, found.codex_version
    return error


def session(codex_home: str, past: Past) -> Session | None:
    """The session as a list shows it, or None where it holds no picture; nothing is decoded."""
    keepsake = Keepsake(codex_home, past)
    sizes = [len(kept.data) for kept in keepsake.pictures()]
    if not sizes:
        return None
    path = past.path or layout.pictures_folder(codex_home, past.thread_id or "")
    return Session(past.thread_id, past.time, keepsake.prompt, len(sizes), sum(sizes), path)
