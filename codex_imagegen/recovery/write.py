"""Write the pictures of past sessions to files or stdout."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from codex_imagegen import render
from codex_imagegen.codex.sessions import layout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.images import convert, output
from codex_imagegen.recovery import search
from codex_imagegen.recovery.search import FoundImages, SessionFilter
from codex_imagegen.request import SUFFIXES, Event, ImageOptions, is_stdout
from codex_imagegen.results import Failure, Image, Picture, Result, Session

NOTHING_REQUESTED = "say what to recover: a thread id or a rollout file, --last, or --list to see what there is"

_Write = Callable[[FoundImages, int, int | None], list[Image]]


@dataclass(frozen=True, slots=True)
class RecoveryOutput:
    """Where pictures go: ``out`` is a file (or ``"-"``) or a folder, ``out_dir`` a folder; else the working folder.

    Of ``image_options`` only the crop to a size has an effect. Where ``within`` names folders, pictures are only
    written inside them, and the first one replaces the working folder.
    """

    out: str | None = None
    out_dir: str | None = None
    force: bool = False
    image_options: ImageOptions = field(default_factory=ImageOptions)
    within: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise :class:`UsageError` for options that contradict each other."""
        if self.out is not None and self.out_dir is not None:
            raise UsageError("--out and --out-dir contradict each other", hint="give one of them")
        if self.image_options.size is not None and not self.image_options.fit:
            raise UsageError("a recovered picture already has a size", hint="add --fit to scale and crop it")


def recover(
    wanted: Sequence[str],
    destination: RecoveryOutput,
    *,
    last: bool = False,
    environment: Mapping[str, str] | None = None,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Result:
    """Write the pictures of past sessions: those named in ``wanted``, or the picture that was made ``last``.

    A session is named by its thread id, a unique beginning of it (case does not matter), or its rollout file. Starts no
    Codex and spends nothing. Raises the failure of a single session; of several sessions, the pictures that
    were found are kept, and the result has the failures. ``on_event`` receives an event for each picture written.
    """
    started = time.monotonic()
    write_found = _writer(destination, on_event, started)
    if wanted and last:
        raise UsageError("--last and the name of a session contradict each other", hint="leave one out")
    if not wanted and not last:
        raise UsageError(NOTHING_REQUESTED, hint="for help:\ncodex-imagegen recover --help")
    destination.check()
    codex_home = layout.codex_home(os.environ if environment is None else environment)
    names = list(dict.fromkeys(wanted))
    if len(names) > 1:
        if is_stdout(destination.out):
            raise UsageError("stdout takes one picture, not several", hint="give --out a file name")
        return _recover_several(codex_home, names, write_found, on_event, started)
    if last:
        found = search.find_last_picture(codex_home)
    else:
        found = search.read_session(codex_home, search.find_session(codex_home, names[0]))
    return _result(started, [found], write_found(found, 0, None))


def list_sessions(
    limit: int, wanted: SessionFilter | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[Session]:
    """Yield the past sessions with a picture, newest first, at most ``limit`` (0: all). Pictures are not decoded."""
    codex_home = layout.codex_home(os.environ if environment is None else environment)
    wanted = wanted or SessionFilter()
    refs = wanted.iter_refs(codex_home)
    sessions = (session for ref in refs if (session := wanted.summarize(codex_home, ref)))
    return islice(sessions, limit or None)


def shorten_thread_ids(sessions: Iterable[Session], environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The shortest unique beginning of the thread id of each session, among all in the Codex home."""
    codex_home = layout.codex_home(os.environ if environment is None else environment)
    return search.shorten_thread_ids(codex_home, [session.thread_id for session in sessions if session.thread_id])


def write_pictures(found: FoundImages, destination: RecoveryOutput, before: int | None = None) -> list[Image]:
    """Write a session's pictures. All names are checked before the first picture is written.

    ``before`` counts the pictures of earlier sessions; the numbers in the names of ``--out`` continue after it.
    """
    try:
        targets = _targets(found, destination, before)
        return [
            _write_picture(picture, target, destination.image_options)
            for picture, target in zip(found.pictures, targets, strict=True)
        ]
    except ImagegenError as error:
        error.spent, error.thread_id, error.codex_version = False, found.ref.thread_id, found.codex_version
        raise


def _targets(found: FoundImages, destination: RecoveryOutput, before: int | None) -> Sequence[output.Target]:
    count = len(found.pictures)
    out = None if output.names_folder(destination.out, destination.within) else destination.out
    if out is not None and before is None:
        return output.plan(out, count=count, force=destination.force, within=destination.within)
    if out is not None:
        stem, suffix = os.path.splitext(out)
        numbers = range((before or 0) + 1, (before or 0) + count + 1)
        return [
            output.plan(f"{stem}-{number}{suffix}", force=destination.force, within=destination.within)[0]
            for number in numbers
        ]
    given = destination.out or destination.out_dir or os.curdir
    folder = os.path.abspath(os.path.join(*destination.within[:1], given))
    names = output.number_names(os.path.join(folder, _stem(found.ref)), count)
    targets = [
        output.Target(name + SUFFIXES[picture.format], picture.format, destination.force, within=destination.within)
        for name, picture in zip(names, found.pictures, strict=True)
    ]
    for target in targets:
        output.check(target)
    return targets


def _stem(ref: SessionRef) -> str:
    return ref.thread_id or os.path.basename(ref.path or "picture").split(".")[0]


def _write_picture(picture: Picture, target: output.Target, image_options: ImageOptions) -> Image:
    finished = convert.convert_as_requested(picture, target.format, image_options)
    return output.write(finished, target, original=finished is picture)


def _writer(destination: RecoveryOutput, on_event: Callable[[Event], None], started: float) -> _Write:
    """A function that writes a session's pictures and reports each; ``index`` is the session's number."""

    def write_and_report(found: FoundImages, index: int, before: int | None) -> list[Image]:
        images = write_pictures(found, destination, before)
        for image in images:
            elapsed = time.monotonic() - started
            on_event(Event("written", elapsed, index, thread_id=found.ref.thread_id, path=image.path))
        return images

    return write_and_report


def _recover_several(
    codex_home: str, wanted: Sequence[str], write_found: _Write, on_event: Callable[[Event], None], started: float
) -> Result:
    """Recover each session by itself: a failure of one does not affect the others."""
    all_found: list[FoundImages] = []
    images: list[Image] = []
    failures: list[Failure] = []
    for index, name in enumerate(wanted):
        try:
            found = search.read_session(codex_home, search.find_session(codex_home, name))
            images += write_found(found, index, len(images))
            found.pictures.clear()  # one session's pictures in memory at a time
            all_found.append(found)
        except Interrupted:
            raise
        except ImagegenError as error:
            info = render.error_info(error)
            failures.append(Failure(index, info))
            elapsed = time.monotonic() - started
            on_event(Event("failed", elapsed, index, thread_id=error.thread_id, message=info.message, error=info))
    result = _result(started, all_found, images)
    if not failures:
        return result
    message = render.partial_failure(len(failures), len(wanted), "session", failures[0].error.message)
    summary = replace(failures[0].error, exit_code=1, message=message)
    return replace(result, ok=False, failures=tuple(failures), error=summary)


def _result(started: float, found: Sequence[FoundImages], images: Iterable[Image]) -> Result:
    """The result; it names the thread where there is only one."""
    return Result(
        ok=True,
        backend="codex",
        images=tuple(images),
        thread_id=found[0].ref.thread_id if len(found) == 1 else None,
        codex_version=next((item.codex_version for item in found if item.codex_version), None),
        elapsed_sec=round(time.monotonic() - started, 3),
        warnings=tuple(dict.fromkeys(warning for item in found for warning in item.warnings)),
    )
