"""Find past sessions and read their pictures: those of a given session, or the newest in a Codex home."""

from __future__ import annotations

import hashlib
import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from codex_imagegen import generation, render
from codex_imagegen.codex.sessions import fallback, history, layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.codex.sessions.reader import SessionReader, StoredImage
from codex_imagegen.errors import (
    DamagedPicture,
    ImagegenError,
    NoPicture,
    ReferenceMissing,
    SessionMissing,
    UsageError,
)
from codex_imagegen.images import structure
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.structure import DamagedImage
from codex_imagegen.request import SUFFIXES, Request
from codex_imagegen.results import LastPicture, Picture, ReferenceData, Session, Warning_

SLACK_SEC = 5.0
"""Seconds by which a file may be newer than the last change of its folder."""

_THREAD_CHARS = 13
"""Characters of a thread id that say when it was begun, to the millisecond: enough to tell it from others."""

MIN_BEGINNING = 4
"""The characters of a thread id that are enough to name it, if no other one begins with them."""

_MAX_AMBIGUOUS = 5
_BEGINNING = re.compile(r"(?=.{1,35}\Z)[0-9a-fA-F]+(?:-[0-9a-fA-F]+)*-?\Z")
_LIST = "list the sessions with:\ncodex-imagegen recover --list"


@dataclass(slots=True)
class FoundImages:
    """The intact pictures of one session. ``damaged`` and ``unreadable`` say why others are missing.

    ``made_at``, in Unix seconds, and ``prompt`` are those of a picture that was searched for by its time.
    """

    ref: SessionRef
    pictures: list[Picture] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    warnings: tuple[Warning_, ...] = ()
    codex_version: str | None = None
    unreadable: str | None = None
    made_at: float | None = None
    prompt: str | None = None


def find_session(codex_home: str, name: str) -> SessionRef:
    """The session that a user names by a thread id, by a unique beginning of one, or by a rollout file."""
    if layout.THREAD_ID.match(name):
        found = history.find_session(codex_home, name.lower())
        if found is None:
            raise SessionMissing(f"{codex_home!r} has no session of the thread {name}", hint=_LIST)
        return found
    if name.lower().endswith((*SUFFIXES.values(), ".jpeg")):
        raise UsageError(f"{name!r} is neither a thread id nor a rollout file, but a picture", hint=_LIST)
    if name.endswith((".jsonl", ".jsonl.zst")) or os.path.isfile(name):
        return _read_ref(name)
    if not _BEGINNING.match(name):
        hint = f"did you mean --{name}?" if name in {"last", "list"} else _LIST
        raise UsageError(f"{name!r} is neither a thread id nor a rollout file", hint=hint)
    if len(name) < MIN_BEGINNING:
        message = f"{name!r} is too short for the beginning of a thread id"
        raise UsageError(message, hint=f"give {MIN_BEGINNING} characters or more; {_LIST}")
    return _find_by_beginning(codex_home, name)


def _read_ref(path: str) -> SessionRef:
    try:
        return history.read_ref(path)
    except OSError as error:
        raise SessionMissing(f"the rollout {path!r} can't be read: {error.strerror}", hint=_LIST) from error
    except ValueError as error:
        raise UsageError(f"{path!r} is not a rollout: {error}", hint=_LIST) from error


def _find_by_beginning(codex_home: str, beginning: str) -> SessionRef:
    """The session of the only thread whose id begins so; the names of all sessions are read."""
    thread_ids = history.list_thread_ids(codex_home)
    matching = history.find_by_beginning(thread_ids, beginning.lower())
    if len(matching) > 1:
        shown = [history.shorten(thread_id, thread_ids) for thread_id in matching[::-1][:_MAX_AMBIGUOUS]]
        more = f" and {len(matching) - len(shown):,} more" if len(matching) > len(shown) else ""
        message = f"{len(matching):,} thread ids begin with {beginning!r}: {', '.join(shown)}{more}"
        raise UsageError(message, hint=f"give more characters; {_LIST}")
    found = history.find_session(codex_home, matching[0]) if matching else None
    if found is None:
        raise SessionMissing(f"{codex_home!r} has no session whose thread id begins with {beginning!r}", hint=_LIST)
    return found


def shorten_thread_ids(codex_home: str, wanted: Iterable[str]) -> dict[str, str]:
    """The shortest unique beginning of each of these thread ids, among all in the Codex home."""
    thread_ids = history.list_thread_ids(codex_home)
    return {thread_id: history.shorten(thread_id, thread_ids) for thread_id in wanted}


def read_session(codex_home: str, ref: SessionRef) -> FoundImages:
    """Read the pictures of a session; raises an error if there is none."""
    reader, found = SessionReader(codex_home, ref), FoundImages(ref)
    _decode(found, reader.pictures())
    if reader.is_damaged:
        found.damaged.append("it is torn")
    if not found.pictures and not found.damaged:
        _decode(found, reader.unrecognized_images())
        # only the largest, as in a run: a long session may hold hundreds of screenshots made by other tools
        found.pictures = sorted(found.pictures, key=lambda picture: len(picture.data))[-1:]
        found.warnings += (fallback.UNKNOWN_RECORD,) if found.pictures else ()
    if found.pictures and found.damaged:
        count = "1 more picture" if len(found.damaged) == 1 else f"{len(found.damaged)} more pictures"
        message = f"{count} of the session can't be recovered (damaged): {found.damaged[0]}"
        found.warnings += (Warning_("damaged-picture", message),)
    for picture in found.pictures:
        found.warnings += structure.trailing_data_warnings(picture)
    found.codex_version, found.unreadable = reader.codex_version, reader.unreadable
    if not found.pictures:
        raise _no_picture(found)
    return found


@dataclass(slots=True)
class SessionFilter:
    """Which sessions a list has: those with all words of ``search`` in one of their prompts, in any order and case.

    Only sessions with a picture that was made ``since`` that time (Unix seconds) are read. ``searched`` counts those
    that were read and have a picture. Raises :class:`UsageError` for a search for nothing.
    """

    search: str | None = None
    since: float = 0.0
    searched: int = 0

    def __post_init__(self) -> None:
        if self.search is not None and not self.search.split():
            raise UsageError("--search has no text", hint="give a word of the prompt")

    def iter_refs(self, codex_home: str) -> Iterator[SessionRef]:
        """Yield the sessions that may match, newest first; contents are not read."""
        refs = history.iter_newest(codex_home)
        if not self.since:
            return refs
        changed = (ref.thread_id for time, ref in history.list_by_change(codex_home) if time >= self.since)
        recent = set(changed)  # a session that was begun long ago may have been continued since
        return (ref for ref in refs if ref.thread_id in recent)

    def summarize(self, codex_home: str, ref: SessionRef) -> Session | None:
        """The session as a list shows it, or None where it does not match or has no picture; nothing is decoded."""
        words, found = _fold(self.search or "").split(), self.search is None

        def look_for_words(prompt: str) -> None:
            nonlocal found
            if not found:
                folded = _fold(prompt)
                found = all(word in folded for word in words)

        reader = SessionReader(codex_home, ref, on_prompt=look_for_words)
        times_and_sizes = [(image.time, len(image.data)) for image in reader.pictures()]
        if not times_and_sizes or max(times_and_sizes)[0] < self.since:
            return None
        self.searched += 1
        path = ref.path or layout.pictures_folder(codex_home, ref.thread_id or "")
        sizes = [size for _time, size in times_and_sizes]
        session = Session(ref.thread_id, ref.created_at, reader.prompt, len(sizes), sum(sizes), path)
        return session if found else None


def _fold(text: str) -> str:
    """The text for a comparison that ignores case and the way in which accents are encoded."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def find_last_picture(codex_home: str) -> FoundImages:
    """Find the newest picture, and return its session with only that picture.

    The time is that of its record, or of its file where there is no record. Sessions are read in order of their last
    change, until the next one was changed before the best picture was made. Raises :class:`NoPicture`.
    """
    best: _LastPicture | None = None
    damaged: list[tuple[float, str]] = []
    for changed, ref in history.list_by_change(codex_home):
        if best is not None and changed + SLACK_SEC < best.time:
            break
        if best is None or history.read_last_write(codex_home, ref, changed) + SLACK_SEC >= best.time:
            best = _later_picture(best, codex_home, ref, damaged)
    if best is None:
        hint = "is CODEX_HOME the one that Codex uses?"
        raise NoPicture(f"no session in {codex_home!r} has a picture", hint=hint)
    found = FoundImages(best.ref, [best.picture], warnings=_warnings(best, damaged), codex_version=best.codex_version)
    found.made_at, found.prompt = best.time, best.prompt
    return found


def _decode(found: FoundImages, images: Iterable[StoredImage]) -> None:
    for image in images:
        try:
            found.pictures.append(decode_picture(image.data, revised_prompt=image.revised_prompt))
        except DamagedImage as error:
            found.damaged.append(str(error))


def _no_picture(found: FoundImages) -> ImagegenError:
    path = found.ref.path
    if found.damaged:
        error: ImagegenError = DamagedPicture(
            f"the picture of this session is damaged: {found.damaged[0]}", hint="make it again"
        )
    elif found.unreadable:
        error = SessionMissing(f"the rollout {path!r} can't be read: {found.unreadable}", hint=_LIST)
    elif found.ref.is_compressed and path:
        hint = f"unpack it, and recover from that:\nzstd -d {render.shell_join([path])}\n"
        hint += f"codex-imagegen recover {render.shell_join([path[:-4]])}"
        error = SessionMissing(f"the rollout {path!r} is compressed", hint=hint)
    else:
        error = NoPicture("this session has no picture", hint=_LIST)
    error.thread_id, error.codex_version = found.ref.thread_id, found.codex_version
    return error


@dataclass(frozen=True, slots=True)
class _LastPicture:
    """An intact picture and when it was made, in Unix seconds."""

    time: float
    picture: Picture
    ref: SessionRef
    codex_version: str | None
    prompt: str | None


def _later_picture(
    best: _LastPicture | None, codex_home: str, ref: SessionRef, damaged: list[tuple[float, str]]
) -> _LastPicture | None:
    """The session's latest intact picture if it is later than the best one so far, else the best one."""
    reader = SessionReader(codex_home, ref)
    for image in _latest_first(codex_home, ref, reader):
        if best is not None and image.time <= best.time:
            break
        try:
            picture = decode_picture(image.data, revised_prompt=image.revised_prompt)
        except DamagedImage as error:
            damaged.append((image.time, f"in the thread {ref.thread_id}: {error}"))
        else:
            return _LastPicture(image.time, picture, ref, reader.codex_version, image.context.prompt or reader.prompt)
    if reader.is_damaged:
        damaged.append((history.read_last_write(codex_home, ref, 0.0), f"in the thread {ref.thread_id}: it is torn"))
    return best


def _latest_first(codex_home: str, ref: SessionRef, reader: SessionReader) -> Iterator[StoredImage]:
    """The pictures that were made in this session; of equal times the one that is recorded last comes first."""
    images = list(reader.pictures())
    copied = _copied_digests(codex_home, ref) if images else set()
    images.sort(key=lambda image: image.time)
    return (image for image in reversed(images) if image.digest not in copied)


def _copied_digests(codex_home: str, ref: SessionRef) -> set[bytes]:
    """The digests of pictures that a fork copied: Codex (to 0.141.0) copies their records, with the fork's time."""
    meta = layout.read_meta(ref.path) if ref.path and not ref.is_compressed else None
    if meta is None or not meta.forked_from or not layout.THREAD_ID.match(meta.forked_from):
        return set()
    parent = history.find_session(codex_home, meta.forked_from.lower())
    return {image.digest for image in SessionReader(codex_home, parent).pictures()} if parent else set()


def _warnings(best: _LastPicture, damaged: list[tuple[float, str]]) -> tuple[Warning_, ...]:
    later = [message for time, message in damaged if time >= best.time]
    if not later:
        return structure.trailing_data_warnings(best.picture)
    count = "1 picture" if len(later) == 1 else f"{len(later)} pictures"
    message = f"{count} made later can't be recovered (damaged): {later[0]}"
    return (Warning_("damaged-picture", message), *structure.trailing_data_warnings(best.picture))


@dataclass(frozen=True, slots=True)
class LastReference:
    """A request whose first reference is the picture that was made last; ``description`` says which one that is."""

    request: Request
    description: str
    warnings: tuple[Warning_, ...]


def add_last_picture(request: Request, environment: Mapping[str, str]) -> LastReference:
    """Find the picture that was made last in the request's Codex home, and make it the first reference.

    Raises :class:`UsageError` where it can't be one, or for an invalid request, before anything is read, and
    :class:`ReferenceMissing` where there is no picture.
    """
    generation.check(request)
    _check_last(request)
    codex_home = layout.codex_home(layout.with_codex_home(request.codex_home, environment))
    try:
        found = find_last_picture(codex_home)
    except NoPicture as error:
        hint = "make one first, or give a file with --ref; is CODEX_HOME the one that Codex uses?"
        raise ReferenceMissing(f"--last: {error.message}", hint=hint) from error
    picture = found.pictures[0]
    digest = hashlib.sha256(picture.data).hexdigest()
    last = LastPicture(found.ref.thread_id, picture.width, picture.height, len(picture.data), digest)
    reference = ReferenceData("--last", picture.data)
    warnings = tuple(warning for warning in found.warnings if warning.code == "damaged-picture")
    return LastReference(
        replace(request, refs=(reference, *request.refs), last_picture=last), _describe(found), warnings
    )


def _check_last(request: Request) -> None:
    if request.backend != "codex":
        raise UsageError(
            f"--last and --backend {request.backend} contradict each other: the last picture is one that Codex made",
            hint="write it to a file, and give that with --ref:\ncodex-imagegen recover --last --out last.png",
        )
    if generation.resumes_thread(request):
        raise UsageError(
            "--last and --codex-arg resume contradict each other", hint="leave one out: a thread has its own pictures"
        )


def _describe(found: FoundImages) -> str:
    """Which picture it is: its thread, its age, and the beginning of its prompt."""
    thread = f" of the thread {found.ref.thread_id[:_THREAD_CHARS]}" if found.ref.thread_id else ""
    age = _age(time.time() - (found.made_at or found.ref.created_at))
    prompt = render.short_prompt(render.one_line(found.prompt or ""))
    return f"--last is the picture{thread}, made {age} ago{f': {prompt}' if prompt else ''}"


def _age(seconds: float) -> str:
    """A time in one rounded unit: ``12 s``, ``3 min``, ``5 h``, ``2 days``."""
    for unit, length, limit in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 48)):
        if seconds < limit * length:
            return f"{max(0, seconds) / length:.0f} {unit}"
    return render.plural(round(seconds / 86_400), "day")
