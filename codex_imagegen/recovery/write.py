"""Where recovered pictures go, and how they are written: every name is checked before the first of them is.

The story of a picture that was made before: its session found, its pictures read, decoded whole, and written.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from codex_imagegen import render
from codex_imagegen.codex.sessions import history, layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.images import convert, output
from codex_imagegen.recovery import search
from codex_imagegen.recovery import search as latest
from codex_imagegen.recovery.search import Found
from codex_imagegen.request import STDOUT, Event, ImageOptions
from codex_imagegen.results import Failure, Image, Picture, Result, Session

_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True, slots=True)
class RecoveryOutput:
    """Where pictures go: ``out`` is a file (or ``"-"``), ``out_dir`` a folder; neither: the working folder.

    Of the ``wishes`` those count that can be met afterwards: to be cropped to a size. ``within`` are the folders that
    the pictures must not leave, if there are any; then the first of them takes the place of the working folder.
    """

    out: str | None = None
    out_dir: str | None = None
    force: bool = False
    image_options: ImageOptions = field(default_factory=ImageOptions)
    within: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise :class:`UsageError` for what contradicts itself."""
        if self.out is not None and self.out_dir is not None:
            raise UsageError("--out and --out-dir contradict each other", hint="give one of them")
        if self.image_options.size is not None and not self.image_options.fit:
            raise UsageError("a picture that was made has its size", hint="add --fit to scale and crop it")


def write(found: Found, place: RecoveryOutput, before: int | None = None) -> list[Image]:
    """Write a session's pictures; ``before`` counts those of other sessions, whose row they go on with in ``--out``.

    Every name is checked before the first picture is written.
    """
    try:
        targets = _targets(found, place, before)
        return [
            _put(picture, target, place.image_options) for picture, target in zip(found.pictures, targets, strict=True)
        ]
    except ImagegenError as error:
        error.spent, error.thread_id, error.codex_version = False, found.past.thread_id, found.codex_version
        raise


def _targets(found: Found, place: RecoveryOutput, before: int | None) -> Sequence[output.Target]:
    count = len(found.pictures)
    if place.out is not None and before is None:
        return output.plan(place.out, count=count, force=place.force, within=place.within)
    if place.out is not None:
        stem, suffix = os.path.splitext(place.out)
        numbers = range((before or 0) + 1, (before or 0) + count + 1)
        return [
            output.plan(f"{stem}-{number}{suffix}", force=place.force, within=place.within)[0] for number in numbers
        ]
    folder = os.path.abspath(os.path.join(*place.within[:1], place.out_dir or os.curdir))
    names = output.numbered_names(os.path.join(folder, _stem(found.past)), count)
    targets = [
        output.Target(name + _SUFFIXES[picture.format], picture.format, place.force, within=place.within)
        for name, picture in zip(names, found.pictures, strict=True)
    ]
    for target in targets:
        output.check(target)
    return targets


def _stem(past: SessionRef) -> str:
    return past.thread_id or os.path.basename(past.path or "picture").split(".")[0]


def _put(picture: Picture, target: output.Target, image_options: ImageOptions) -> Image:
    finished = convert.finish(picture, target.format, image_options)
    return output.write(finished, target, original=finished is picture)


NOTHING = "say what to recover: a thread id or a rollout file, --last, or --list to see what there is"

_Write = Callable[[Found, int, int | None], list[Image]]


def recover(
    wanted: Sequence[str],
    place: RecoveryOutput,
    *,
    last: bool = False,
    environment: Mapping[str, str] | None = None,
    tell: Callable[[Event], None] = lambda _event: None,
) -> Result:
    """Write the pictures of past sessions: of each thread id or rollout file in ``wanted``, or the one made ``last``.

    Starts no Codex and spends nothing. Raises what went wrong with the only session that was asked for; of several,
    those that were found are kept, and the failures are in the result. ``tell`` hears of each picture that is written.
    """
    started = time.monotonic()
    write = _telling(place, tell, started)
    if bool(wanted) + last != 1:
        raise UsageError(NOTHING, hint="see codex-imagegen recover --help")
    place.check()
    codex_home = layout.codex_home(os.environ if environment is None else environment)
    words = list(dict.fromkeys(wanted))
    if len(words) > 1:
        if place.out == STDOUT:
            raise UsageError("stdout takes one picture, not several", hint="give --out a file name")
        return _several(codex_home, words, write, tell, started)
    found = latest.last_picture(codex_home) if last else search.read(codex_home, search.resolve(codex_home, words[0]))
    return _result(started, [found], write(found, 0, None))


def listed(limit: int, environment: Mapping[str, str] | None = None) -> Iterator[Session]:
    """The past sessions that hold a picture, newest first, ``limit`` at most (0: all). Pictures are not decoded."""
    codex_home = layout.codex_home(os.environ if environment is None else environment)
    held = (session for past in history.newest(codex_home) if (session := search.session(codex_home, past)))
    return islice(held, limit or None)


def _telling(place: RecoveryOutput, tell: Callable[[Event], None], started: float) -> _Write:
    """Writes the pictures of a session to ``place``, and tells of them; ``index`` is the session's number."""

    def write_and_tell(found: Found, index: int, before: int | None) -> list[Image]:
        images = write(found, place, before)
        for image in images:
            elapsed = time.monotonic() - started
            tell(Event("written", elapsed, index, thread_id=found.past.thread_id, path=image.path))
        return images

    return write_and_tell


def _several(
    codex_home: str, wanted: Sequence[str], write: _Write, tell: Callable[[Event], None], started: float
) -> Result:
    """Each session by itself: what can't be had of one takes nothing from the others."""
    all_found: list[Found] = []
    images: list[Image] = []
    failures: list[Failure] = []
    for index, word in enumerate(wanted):
        try:
            found = search.read(codex_home, search.resolve(codex_home, word))
            images += write(found, index, len(images))
            found.pictures.clear()  # one session's pictures in memory at a time
            all_found.append(found)
        except Interrupted:
            raise
        except ImagegenError as error:
            info = render.error_info(error)
            failures.append(Failure(index, info))
            elapsed = time.monotonic() - started
            tell(Event("failed", elapsed, index, thread_id=error.thread_id, message=info.message, error=info))
    done = _result(started, all_found, images)
    if not failures:
        return done
    told = render.partial_failure(len(failures), len(wanted), "session", failures[0].error.message)
    summary = replace(failures[0].error, exit_code=1, message=told)
    return replace(done, ok=False, failures=tuple(failures), error=summary)


def _result(started: float, found: Sequence[Found], images: Iterable[Image]) -> Result:
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
