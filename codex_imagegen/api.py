"""The Python API: a few thin functions with the guarantees of the command line.

Nothing here prints, exits or touches a signal handler. What is raised is of :class:`~codex_imagegen.ImagegenError`'s
tree, values that make no sense included (:class:`~codex_imagegen.UsageError`, before anything is spent);
``KeyboardInterrupt`` passes through once everything has been cleaned up. All of it may be called from several threads
at once.

**Cancellation.** Every function that starts Codex takes ``interrupt``, an :class:`~codex_imagegen.Interrupt`. Its
``set()`` may be called from any thread, or from a signal handler: Codex is asked to end in good order (some 40 ms, and
forced where it does not), temporary files are removed, and the function raises :class:`~codex_imagegen.Interrupted`.
That error has the ``thread_id``, if Codex had begun one, ``spent`` (whether quota may have been used), and a ``hint``
with the ``recover`` command that fetches the picture, should it have landed after all. A picture that was written
before the interrupt was seen is a result, and no error.

**Callbacks.** What a callback raises ends the call in the same way: every Codex of the call is stopped, what is
temporary is removed, and then the callback's exception reaches the caller, unchanged. Pictures that are written stay
where they are; one that Codex had made and that was not written yet is in the Codex home: ``recover(thread_id)`` or
``recover(last=True)`` fetches it, and in a batch the same call does.

The keyword arguments of the Python API: their types, for those who collect them, and what makes sure of them.

What the callback of a caller raises: it ends the run, and reaches the caller unchanged.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from codex_imagegen import generation, options
from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.interrupt import SIGINT, Interrupt
from codex_imagegen.request import DEFAULT_TIMEOUT_SEC, STDOUT, Event
from codex_imagegen.results import Result

if TYPE_CHECKING:
    from codex_imagegen.batches.jobs import Jobs
    from codex_imagegen.batches.results import Outcome


def generate(
    prompt: str,
    *,
    refs: StrPath | Sequence[StrPath] = (),
    out: StrPath | None = None,
    size: str | tuple[int, int] | None = None,
    aspect_ratio: str | None = None,
    resolution: Literal["1k", "2k", "4k"] | None = None,
    quality: Literal["low", "medium", "high"] | None = None,
    transparent: bool = False,
    fit: bool = False,
    format: Literal["png", "jpeg", "webp"] | None = None,  # noqa: A002 - the option's name
    count: int = 1,
    jobs: int | None = None,
    force: bool = False,
    skip_existing: bool = False,
    timeout_sec: float = DEFAULT_TIMEOUT_SEC,
    backend: Literal["codex", "runcomfy"] = "codex",
    full_turn: bool = False,
    codex: StrPath | None = None,
    codex_home: StrPath | None = None,
    model: str | None = None,
    codex_args: Sequence[str] = (),
    on_event: Callable[[Event], None] | None = None,
    interrupt: Interrupt | None = None,
) -> Result:
    """Make a picture of ``prompt``, which is sent word for word, and write it; the result says where it is.

    ``refs`` are reference pictures (PNG, JPEG, WebP), at most five. ``out`` ends in .png, .jpg, .jpeg or .webp; without
    it the picture is a new ``image-<time>.png`` in the working folder. ``force`` replaces what is at ``out``;
    ``skip_existing`` leaves a picture that is there as it is, makes the others, and has all of them in ``images``.

    ``size`` is ``"WxH"`` in pixels, or (width, height); ``aspect_ratio`` is ``"W:H"``. ``fit`` scales and crops to
    ``size`` exactly. ``format`` converts. Of several pictures (``count``, ``jobs`` of them at once) those that came are
    kept: ``result.failures`` tells of the others. ``timeout_sec`` are seconds for the whole run.

    ``codex`` is the Codex CLI to run, ``model`` the model that calls the tool, ``codex_args`` are more arguments for
    ``codex exec``. ``codex_home`` is the Codex home of this call alone, in place of the environment's CODEX_HOME.
    ``on_event`` hears how the run goes on, in the thread that makes the picture.
    """
    return _generate(dict(locals()))


def edit(
    prompt: str,
    refs: StrPath | Sequence[StrPath],
    *,
    out: StrPath | None = None,
    size: str | tuple[int, int] | None = None,
    aspect_ratio: str | None = None,
    resolution: Literal["1k", "2k", "4k"] | None = None,
    quality: Literal["low", "medium", "high"] | None = None,
    transparent: bool = False,
    fit: bool = False,
    format: Literal["png", "jpeg", "webp"] | None = None,  # noqa: A002 - the option's name
    count: int = 1,
    jobs: int | None = None,
    force: bool = False,
    skip_existing: bool = False,
    timeout_sec: float = DEFAULT_TIMEOUT_SEC,
    backend: Literal["codex", "runcomfy"] = "codex",
    full_turn: bool = False,
    codex: StrPath | None = None,
    codex_home: StrPath | None = None,
    model: str | None = None,
    codex_args: Sequence[str] = (),
    on_event: Callable[[Event], None] | None = None,
    interrupt: Interrupt | None = None,
) -> Result:
    """Make a picture of ``prompt`` from at least one reference; all else is as with :func:`generate`."""
    if not refs:
        raise UsageError("an edit needs at least one reference", hint="give refs, or call generate")
    return _generate(dict(locals()))


def batch(
    jobs: StrPath | Iterable[Job],
    *,
    out_dir: StrPath = ".",
    workers: int | None = None,
    retry_failed: bool = False,
    force: bool = False,
    timeout_sec: float | None = None,
    size: str | tuple[int, int] | None = None,
    aspect_ratio: str | None = None,
    resolution: Literal["1k", "2k", "4k"] | None = None,
    quality: Literal["low", "medium", "high"] | None = None,
    transparent: bool = False,
    fit: bool = False,
    format: Literal["png", "jpeg", "webp"] | None = None,  # noqa: A002 - the option's name
    backend: Literal["codex", "runcomfy"] = "codex",
    full_turn: bool = False,
    codex: StrPath | None = None,
    codex_home: StrPath | None = None,
    model: str | None = None,
    codex_args: Sequence[str] = (),
    on_outcome: Callable[[Outcome], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    interrupt: Interrupt | None = None,
) -> tuple[Outcome, ...]:
    """Make many pictures, each once; what became of each job, in the order of the jobs.

    ``jobs`` is a file as the command takes it, or the jobs themselves: a prompt, or a mapping with ``prompt`` and, if
    you like, ``refs``, ``out`` and any option by its name. ``timeout_sec`` is for each picture. The options from
    ``size`` to ``codex_args`` are those of :func:`generate`, for each job that does not say otherwise. All of it is
    checked before the first run. The journal beside the pictures knows what was made: called again, it makes what is
    missing.

    ``on_event`` hears how the jobs go on, in the threads that work on them: ``event.job`` says which one it is.
    ``on_outcome`` hears of each job as it ends, in the caller's thread. An outcome has ``line`` (the job, counted from
    1), ``out``, ``status`` (made, recovered, there, failed, left) and ``result``. A job that fails raises nothing.
    """
    given = dict(locals())
    from codex_imagegen.batches import runner

    defaults = checked({name: given[name] for name in _OF_A_JOB})
    at_once = runner.workers(one("workers", workers, options.whole), defaults.get("backend"))
    folder = one("out_dir", out_dir, options.path)

    def work(tell: Callable[[Event], None], stop: Interrupt) -> tuple[Outcome, ...]:
        done: list[Outcome] = []
        with (
            _listed(jobs, folder, defaults) as listed,
            runner.prepare(listed, folder, stop, workers=at_once, retry_failed=retry_failed, tell=tell) as begun,
            contextlib.closing(begun.work.outcomes()) as outcomes,
        ):
            for outcome in outcomes:
                done.append(outcome)
                if on_outcome is not None:
                    on_outcome(outcome)
        if stop.signum is not None and len(done) < begun.total:
            told = f"interrupted when {len(done)} of {begun.total} jobs had ended"
            raise Interrupted(told, signum=stop.signum, hint="the same call goes on where it was cut off", spent=None)
        return tuple(sorted(done, key=lambda outcome: outcome.line))

    return heard(work, on_event, interrupt)


def recover(
    *sessions: StrPath,
    last: bool = False,
    out: StrPath | None = None,
    out_dir: StrPath | None = None,
    force: bool = False,
    size: str | tuple[int, int] | None = None,
    fit: bool = False,
    codex_home: StrPath | None = None,
) -> Result:
    """Write the pictures of past sessions: of these thread ids or rollout files, or of the ``last`` one with a picture.

    Nothing is spent and no Codex is started. ``out`` is a file; without it each picture is ``<thread>.png`` in
    ``out_dir``, or in the working folder. With ``size`` and ``fit`` they are scaled and cropped. ``codex_home`` is
    where sessions are looked for, in place of the environment's CODEX_HOME.
    """
    from codex_imagegen.codex.sessions.layout import check_home, environment_with
    from codex_imagegen.recovery import write
    from codex_imagegen.recovery.write import RecoveryOutput

    given = checked({"out": out, "force": force, "size": size, "fit": fit, "codex_home": codex_home})
    look = options.parse(size=given.get("size"), fit=given["fit"])
    place = RecoveryOutput(given.get("out"), one("out_dir", out_dir, options.path), given["force"], look)
    wanted, home = one("sessions", sessions, options.paths), given.get("codex_home")
    check_home(home)
    return write.recover(wanted, place, last=last, environment=environment_with(home, os.environ))


_OF_A_JOB = (
    "force", "timeout_sec", "size", "aspect_ratio", "resolution", "quality", "transparent", "fit", "format", "backend",
    "full_turn", "codex", "codex_home", "model", "codex_args",
)  # fmt: skip


def _generate(given: dict[str, Any]) -> Result:
    """Generate by the arguments of :func:`generate`."""
    on_event, interrupt = given.pop("on_event"), given.pop("interrupt")
    request = options.request(checked(given))

    def work(tell: Callable[[Event], None], stop: Interrupt) -> Result:
        return generation.generate(request, interrupt=stop, tell=tell)

    return heard(work, on_event, interrupt)


def _listed(jobs: StrPath | Iterable[Job], folder: str, defaults: Mapping[str, Any]) -> Jobs:
    from codex_imagegen.batches import runner

    if isinstance(jobs, (str, os.PathLike)):
        return runner.open_job_file(one("jobs", jobs, options.path), out_dir=folder, defaults=defaults)
    if isinstance(jobs, Mapping) or not isinstance(jobs, Iterable):
        raise UsageError("'jobs' must be a file, or a list of jobs", hint=HINT)
    try:
        lines = [json.dumps({"prompt": job} if isinstance(job, str) else dict(job), default=os.fspath) for job in jobs]
    except (TypeError, ValueError) as error:
        raise UsageError(f"a job must be a prompt or a mapping of options: {error}", hint=HINT) from error
    source = io.BytesIO("\n".join(lines).encode())
    return runner.open_job_file("jobs.jsonl", out_dir=folder, defaults=defaults, source=source)


StrPath = str | os.PathLike[str]
HINT = "see docs/api.md"


Job = str | Mapping[str, Any]
"""A job of a batch: a prompt, or a mapping with ``prompt`` and any option by its name."""


class Look(TypedDict, total=False):
    """The options that :func:`generate`, :func:`edit` and :func:`batch` share, for ``**look``."""

    size: str | tuple[int, int] | None
    aspect_ratio: str | None
    resolution: Literal["1k", "2k", "4k"] | None
    quality: Literal["low", "medium", "high"] | None
    transparent: bool
    fit: bool
    format: Literal["png", "jpeg", "webp"] | None
    backend: Literal["codex", "runcomfy"]
    full_turn: bool
    codex: StrPath | None
    codex_home: StrPath | None
    model: str | None
    codex_args: Sequence[str]


class Options(Look, total=False):
    """The options of :func:`generate` and :func:`edit`, for ``**options``; they are explained there."""

    out: StrPath | None
    timeout_sec: float
    count: int
    jobs: int | None
    force: bool
    skip_existing: bool
    on_event: Callable[[Event], None] | None
    interrupt: Interrupt | None


def one(name: str, value: Any, kind: Callable[[Any], Any]) -> Any:
    """An argument of a type of its own, made sure of it, or None; raises :class:`UsageError`."""
    return None if value is None else options.typed(name, value, hint=HINT, kind=kind)


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that were given, made sure of their types; raises :class:`UsageError`."""
    for name in given:
        if name not in options.TYPES:
            raise UsageError(f"there is no argument {name!r}", hint=options.closest(name, options.TYPES))
    found = {
        name: options.typed(name, value, hint=HINT)
        for name, value in given.items()
        if value is not None or name == "prompt"
    }
    if found.get("out") == STDOUT:
        raise UsageError("a program can't have a picture on its stdout", hint="give out a file name")
    return found


T = TypeVar("T")
Tell = Callable[[Event], None]


class _Raised(BaseException):
    """A callback has raised. Not an Exception: the handlers on its way are for errors of the run itself."""


def heard(work: Callable[[Tell, Interrupt], T], on_event: Tell | None, interrupt: Interrupt | None) -> T:
    """What comes of ``work``, which is given what to tell its events to, and what stops it.

    It is stopped by the caller's ``interrupt``, which stays as it is otherwise, and by a callback that raises. Of
    several that raise at once, in the threads of several pictures, the first one counts, and nothing more is told.
    """
    stop, raised = Interrupt(), list[Exception]()

    def tell(event: Event) -> None:
        if on_event is None or raised:
            return
        try:
            on_event(event)
        except Exception as error:  # noqa: BLE001 - raised below
            raised.append(error)
            stop.set()
        if raised:
            raise _Raised

    unhook = interrupt.on_set(lambda: stop.set(interrupt.signum or SIGINT)) if interrupt else _nothing
    try:
        return work(tell, stop)
    except (_Raised, ImagegenError):
        if not raised:
            raise
    finally:
        unhook()
    raise raised[0]  # outside of the handler, so that the error keeps the causes that it had


def _nothing() -> None:
    """Nothing is to be undone."""
