"""The story of a picture that was made before: its session found, its pictures read, decoded whole, and written."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from codex_imagegen import report
from codex_imagegen.codex import history, net, sessions
from codex_imagegen.codex.history import Past
from codex_imagegen.codex.keepsake import Keepsake
from codex_imagegen.codex.rollout import Candidate
from codex_imagegen.errors import DamagedPicture, ImagegenError, NoPicture, SessionMissing, UsageError
from codex_imagegen.model import STDOUT, Failure, Image, Picture, Result, Session, Warning_
from codex_imagegen.pictures import output, trailing
from codex_imagegen.pictures.verify import Broken, verify

_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_LIST = "see what there is with: codex-imagegen recover --list"


@dataclass(frozen=True, slots=True)
class Place:
    """Where pictures go: ``out`` is a file (or ``"-"``), ``out_dir`` a folder; neither: the working folder."""

    out: str | None = None
    out_dir: str | None = None
    force: bool = False


@dataclass(slots=True)
class _Found:
    """The whole pictures of one session, and what is to be said of them."""

    past: Past
    pictures: list[Picture] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    warnings: tuple[Warning_, ...] = ()
    codex_version: str | None = None
    unreadable: str | None = None


def recover(
    wanted: Sequence[str], place: Place, *, last: bool = False, environment: Mapping[str, str] | None = None
) -> Result:
    """Write the pictures of past sessions: of each thread id or rollout file in ``wanted``, or of the ``last`` one.

    Starts no Codex and spends nothing. Raises what went wrong with the only session that was asked for; of several,
    those that were found are kept, and the failures are in the result.
    """
    started = time.monotonic()
    codex_home = sessions.home(os.environ if environment is None else environment)
    words = list(dict.fromkeys(wanted))
    if len(words) > 1:
        return _several(codex_home, words, place, started)
    found = _newest(codex_home) if last else _read(codex_home, _resolve(codex_home, words[0]))
    return _result(started, [found], _write(found, place))


def listed(limit: int, environment: Mapping[str, str] | None = None) -> Iterator[Session]:
    """The past sessions that hold a picture, newest first, ``limit`` at most (0: all). Pictures are not decoded."""
    codex_home = sessions.home(os.environ if environment is None else environment)
    held = (session for past in history.newest(codex_home) if (session := _session(codex_home, past)))
    return islice(held, limit or None)


def _session(codex_home: str, past: Past) -> Session | None:
    keepsake = Keepsake(codex_home, past)
    sizes = [len(candidate.data or b"") for candidate in keepsake.pictures()]
    if not sizes:
        return None
    path = past.path or sessions.pictures_folder(codex_home, past.thread_id or "")
    return Session(past.thread_id, past.time, keepsake.prompt, len(sizes), sum(sizes), path)


def _resolve(codex_home: str, word: str) -> Past:
    """The session that a word of the user's means."""
    if sessions.THREAD_ID.match(word):
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


def _newest(codex_home: str) -> _Found:
    """The newest session with a whole picture; one whose pictures are all damaged is passed by."""
    for past in history.newest(codex_home):
        found = _look(codex_home, past)
        if found.pictures:
            return found
    raise NoPicture(f"no session in {codex_home!r} holds a picture", hint="is CODEX_HOME the one that Codex uses?")


def _read(codex_home: str, past: Past) -> _Found:
    """The pictures of a session that was asked for; raises why there is none."""
    found = _look(codex_home, past, stray=True)
    if not found.pictures:
        raise _nothing(found)
    return found


def _look(codex_home: str, past: Past, *, stray: bool = False) -> _Found:
    keepsake, found = Keepsake(codex_home, past), _Found(past)
    _take(found, keepsake.pictures())
    if keepsake.torn:
        found.damaged.append("it is torn")
    if stray and not found.pictures and not found.damaged:
        _take(found, keepsake.strays())
        # the largest alone, as a run would take it: a long session may hold screenshots of other tools by the hundred
        found.pictures = sorted(found.pictures, key=lambda picture: len(picture.data))[-1:]
        found.warnings += (net.WARNING,) if found.pictures else ()
    if found.pictures and found.damaged:
        told = f"{len(found.damaged)} more of the session is damaged and was left out: {found.damaged[0]}"
        found.warnings += (Warning_("damaged-picture", told),)
    for picture in found.pictures:
        found.warnings += trailing.remarks(picture)
    found.codex_version, found.unreadable = keepsake.codex_version, keepsake.unreadable
    return found


def _take(found: _Found, candidates: Iterable[Candidate]) -> None:
    for candidate in candidates:
        try:
            found.pictures.append(verify(candidate.data or b"", revised_prompt=candidate.revised_prompt))
        except Broken as error:
            found.damaged.append(str(error))


def _nothing(found: _Found) -> ImagegenError:
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


def _several(codex_home: str, wanted: Sequence[str], place: Place, started: float) -> Result:
    """Each session by itself: what can't be had of one takes nothing from the others."""
    all_found: list[_Found] = []
    images: list[Image] = []
    failures: list[Failure] = []
    if place.out == STDOUT:
        raise UsageError("stdout takes one picture, not several", hint="give --out a file name")
    for index, word in enumerate(wanted):
        try:
            found = _read(codex_home, _resolve(codex_home, word))
            images += _write(found, place, len(images))
            all_found.append(found)
        except ImagegenError as error:
            failures.append(Failure(index, report.error_info(error)))
    done = _result(started, all_found, images)
    if not failures:
        return done
    told = f"{len(failures)} of {len(wanted)} sessions failed; the first: {failures[0].error.message}"
    summary = replace(failures[0].error, exit_code=1, message=told)
    return replace(done, ok=False, failures=tuple(failures), error=summary)


def _write(found: _Found, place: Place, before: int | None = None) -> list[Image]:
    """Write a session's pictures; ``before`` counts those of other sessions, whose row they go on with in ``--out``.

    Every name is checked before the first picture is written.
    """
    try:
        targets = _targets(found, place, before)
        return [_put(picture, target) for picture, target in zip(found.pictures, targets, strict=True)]
    except ImagegenError as error:
        error.spent, error.thread_id, error.codex_version = False, found.past.thread_id, found.codex_version
        raise


def _targets(found: _Found, place: Place, before: int | None) -> Sequence[output.Target]:
    count = len(found.pictures)
    if place.out is not None and before is None:
        return output.plan(place.out, count=count, force=place.force)
    if place.out is not None:
        stem, suffix = os.path.splitext(place.out)
        numbers = range((before or 0) + 1, (before or 0) + count + 1)
        return [output.plan(f"{stem}-{number}{suffix}", force=place.force)[0] for number in numbers]
    names = output.numbered_names(os.path.join(os.path.abspath(place.out_dir or os.curdir), _stem(found.past)), count)
    targets = [
        output.Target(name + _SUFFIXES[picture.format], picture.format, place.force)
        for name, picture in zip(names, found.pictures, strict=True)
    ]
    for target in targets:
        output.check(target)
    return targets


def _stem(past: Past) -> str:
    return past.thread_id or os.path.basename(past.path or "picture").split(".")[0]


def _put(picture: Picture, target: output.Target) -> Image:
    if target.format is None or target.format == picture.format:
        return output.write(picture, target)
    from codex_imagegen.pictures.convert import convert

    return output.write(convert(picture, target.format), target, original=False)


def _result(started: float, found: Sequence[_Found], images: Iterable[Image]) -> Result:
    """The result; the thread is named where there is only one."""
    return Result(
        ok=True,
        backend="codex",
        images=tuple(images),
        thread_id=found[0].past.thread_id if len(found) == 1 else None,
        codex_version=next((one.codex_version for one in found if one.codex_version), None),
        elapsed_sec=round(time.monotonic() - started, 3),
        warnings=tuple(dict.fromkeys(warning for one in found for warning in one.warnings)),
    )
