"""The Python API: a few thin functions with the guarantees of the command line.

Nothing here prints, exits or touches a signal handler. Errors are of :class:`~codex_imagegen.ImagegenError`'s tree.
Invalid values raise :class:`~codex_imagegen.UsageError` before anything is spent. ``KeyboardInterrupt`` passes through
after everything has been cleaned up. The functions are thread-safe.

**Cancellation.** Every function that starts Codex takes ``interrupt``, an :class:`~codex_imagegen.Interrupt`. Its
``set()`` may be called from any thread or from a signal handler. Codex is asked to end in good order (which takes some
40 ms, and is forced if it fails), temporary files are removed, and the function raises
:class:`~codex_imagegen.Interrupted`. That error has the ``thread_id`` if Codex had begun one, ``spent`` (whether quota
may have been used), and a ``hint`` with the ``recover`` command for a picture that was made all the same. A picture
that was written before the interrupt was noticed is a result, not an error.

**Callbacks.** An exception in a callback ends the call in the same way: every Codex of the call is stopped, temporary
files are removed, and the exception reaches the caller unchanged. Pictures that are written stay where they are. One
that Codex had made and that was not written yet is in the Codex home: ``recover(thread_id)`` or ``recover(last=True)``
fetches it. After a batch, the same call fetches it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar

from codex_imagegen import generation, options
from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.interrupt import SIGINT, Interrupt
from codex_imagegen.request import DEFAULT_TIMEOUT_SEC, Event, is_stdout
from codex_imagegen.results import Result

if TYPE_CHECKING:
    from codex_imagegen.batches.jobs import Jobs
    from codex_imagegen.batches.outcomes import Outcome
    from codex_imagegen.batches.runner import BatchSetup

StrPath = str | os.PathLike[str]

Job = str | Mapping[str, Any]
"""A job of a batch: a prompt, or a mapping with ``prompt`` and any option by its name."""

HINT = "see docs/api.md"
_JOB_OPTIONS = (
    "force", "timeout_sec", "size", "aspect_ratio", "resolution", "quality", "transparent", "fit", "format", "backend",
    "full_turn", "codex", "codex_home", "model", "codex_args",
)  # fmt: skip
"""The arguments of :func:`batch` that are defaults of its jobs."""

T = TypeVar("T")
OnEvent = Callable[[Event], None]


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
    last: bool
    timeout_sec: float
    count: int
    jobs: int | None
    force: bool
    skip_existing: bool
    on_event: Callable[[Event], None] | None
    interrupt: Interrupt | None


def generate(
    prompt: str,
    *,
    refs: StrPath | Sequence[StrPath] = (),
    last: bool = False,
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
    """Make a picture of ``prompt``, which is sent word for word, and write it; the result has its path.

    ``refs`` are reference pictures (PNG, JPEG, WebP, GIF, TIFF, BMP, AVIF, and HEIC with the extra ``heic``), at most
    five. With ``last``, the picture that was made last in the Codex home is the first of them; ``result.last``
    describes it. ``out`` ends in .png, .jpg, .jpeg or .webp, or is a folder; there, and without it in the working
    folder, the picture gets a new name made of the prompt. ``force`` replaces an existing ``out``. ``skip_existing``
    keeps the pictures that exist, makes the others, and returns all of them in ``images``.

    ``size`` is ``"WxH"`` in pixels or (width, height); ``aspect_ratio`` is ``"W:H"``. ``fit`` scales and crops to
    ``size`` exactly. ``format`` converts. ``count`` is how many pictures to make, ``jobs`` how many at once. Partial
    results are kept: ``result.failures`` has the pictures that failed. ``timeout_sec`` is for the whole run.

    ``codex`` is the Codex CLI to run, ``model`` the model that calls the tool, ``codex_args`` are more arguments for
    ``codex exec``. ``codex_home`` replaces the environment's CODEX_HOME for this call. ``on_event`` is called with the
    run's progress, in the thread that makes the picture.
    """
    return _generate(dict(locals()))


def edit(
    prompt: str,
    refs: StrPath | Sequence[StrPath],
    *,
    last: bool = False,
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
    """Make a picture of ``prompt`` from at least one reference. The other options are those of :func:`generate`."""
    if not refs and not last:
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
    """Make many pictures, each once; returns the outcome of each job, in the order of the jobs.

    ``jobs`` is a job file as the command takes it, or the jobs themselves: prompts, or mappings with ``prompt`` and,
    optionally, ``refs``, ``out`` and any option by its name. ``timeout_sec`` is for each picture. The options from
    ``size`` to ``codex_args`` are those of :func:`generate` and the defaults of all jobs. All jobs are checked before
    the first run. A journal beside the pictures records what was made: the same call again makes what is missing.

    ``on_event`` is called with the progress of the jobs, in the threads that run them; ``event.job`` is the job's line.
    ``on_outcome`` is called in the caller's thread as each job ends. An outcome has ``line`` (the job, counted from 1),
    ``out``, ``status`` (made, recovered, skipped, failed, not-started) and ``result``. A failed job raises nothing.
    """
    given = dict(locals())
    from codex_imagegen.batches import runner

    defaults = check_arguments({name: given[name] for name in _JOB_OPTIONS})
    worker_count = runner.worker_count(check_argument("workers", workers, options.to_integer), defaults.get("backend"))
    folder = check_argument("out_dir", out_dir, options.to_path)

    def work(forward: Callable[[Event], None], stop: Interrupt) -> tuple[Outcome, ...]:
        with (
            _open_jobs(jobs, folder, defaults) as opened,
            runner.prepare(
                opened, folder, stop, workers=worker_count, retry_failed=retry_failed, on_event=forward
            ) as setup,
        ):
            return _run_batch(setup, stop, on_outcome)

    return _call_back(work, on_event, interrupt)


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

    A unique beginning of a thread id is enough. Nothing is spent and no Codex is started. ``out`` is a file or a
    folder; without a file name each picture is ``<thread>.png`` there, in ``out_dir``, or in the working folder.
    ``size`` and ``fit`` scale and crop. ``codex_home`` is where sessions are searched, in place of the environment's
    CODEX_HOME.
    """
    from codex_imagegen.codex.sessions.layout import check_home, with_codex_home
    from codex_imagegen.recovery import write
    from codex_imagegen.recovery.write import RecoveryOutput

    given = check_arguments({"out": out, "force": force, "size": size, "fit": fit, "codex_home": codex_home})
    image_options = options.parse_image_options(size=given.get("size"), fit=given["fit"])
    folder = check_argument("out_dir", out_dir, options.to_path)
    place = RecoveryOutput(given.get("out"), folder, given["force"], image_options)
    requested, home = check_argument("sessions", sessions, options.to_paths), given.get("codex_home")
    check_home(home)
    return write.recover(requested, place, last=last, environment=with_codex_home(home, os.environ))


def check_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that are not None, converted to their types; raises :class:`UsageError`."""
    for name in given:
        if name not in options.TYPES:
            raise UsageError(f"there is no argument {name!r}", hint=options.suggest(name, options.TYPES))
    checked = {
        name: options.convert_value(name, value, hint=HINT)
        for name, value in given.items()
        if value is not None or name == "prompt"
    }
    if is_stdout(checked.get("out")):
        raise UsageError("a program can't have a picture on its stdout", hint="give 'out' a file name")
    return checked


def check_argument(name: str, value: Any, kind: Callable[[Any], Any]) -> Any:
    """The value converted by ``kind``, or None for None; raises :class:`UsageError`."""
    return None if value is None else options.convert_value(name, value, hint=HINT, kind=kind)


def _generate(arguments: dict[str, Any]) -> Result:
    """Generate with the arguments of :func:`generate`."""
    on_event, interrupt = arguments.pop("on_event"), arguments.pop("interrupt")
    checked = check_arguments(arguments)
    has_last = checked.pop("last")
    request = options.build_request(checked)

    def work(on_event: Callable[[Event], None], stop: Interrupt) -> Result:
        if not has_last:
            return generation.generate(request, interrupt=stop, on_event=on_event)
        from codex_imagegen.recovery import search

        found = search.add_last_picture(request, os.environ)
        result = generation.generate(found.request, interrupt=stop, on_event=on_event)
        return replace(result, warnings=(*found.warnings, *result.warnings))

    return _call_back(work, on_event, interrupt)


def _open_jobs(jobs: StrPath | Iterable[Job], folder: str, defaults: Mapping[str, Any]) -> Jobs:
    from codex_imagegen.batches import runner

    if isinstance(jobs, (str, os.PathLike)):
        name = check_argument("jobs", jobs, options.to_path)
        return runner.open_job_file(name, out_dir=folder, defaults=defaults)
    if isinstance(jobs, Mapping) or not isinstance(jobs, Iterable):
        raise UsageError("'jobs' must be a file, or a list of jobs", hint=HINT)
    try:
        lines = [json.dumps({"prompt": job} if isinstance(job, str) else dict(job), default=os.fspath) for job in jobs]
    except (TypeError, ValueError) as error:
        raise UsageError(f"a job must be a prompt or a mapping of options: {error}", hint=HINT) from error
    source = io.BytesIO("\n".join(lines).encode())
    return runner.open_job_file("jobs.jsonl", out_dir=folder, defaults=defaults, source=source)


def _run_batch(setup: BatchSetup, stop: Interrupt, on_outcome: Callable[[Outcome], None] | None) -> tuple[Outcome, ...]:
    """Run the jobs; raises :class:`Interrupted` where some of them had not ended."""
    ended: list[Outcome] = []
    with contextlib.closing(setup.batch.outcomes()) as outcomes:
        for outcome in outcomes:
            ended.append(outcome)
            if on_outcome is not None:
                on_outcome(outcome)
    if stop.signum is not None and len(ended) < setup.total:
        message = f"interrupted when {len(ended)} of {setup.total} jobs had ended"
        raise Interrupted(message, signum=stop.signum, hint="the same call goes on where it was cut off", spent=None)
    return tuple(sorted(ended, key=lambda outcome: outcome.line))


class _CallbackFailed(BaseException):
    """A callback has raised. Not an Exception, so that no handler for errors of the run catches it."""


def _call_back(work: Callable[[OnEvent, Interrupt], T], on_event: OnEvent | None, interrupt: Interrupt | None) -> T:
    """Call ``work`` with a function for its events and an interrupt of its own; returns its result.

    The caller's ``interrupt`` and a callback that raises set that interrupt; the caller's own stays unset. Where
    callbacks raise in several threads at once, the first exception is raised, and no more events are passed on.
    """
    stop, raised = Interrupt(), list[Exception]()

    def forward(event: Event) -> None:
        if on_event is None or raised:
            return
        try:
            on_event(event)
        except Exception as error:  # noqa: BLE001 - raised below
            raised.append(error)
            stop.set()
        if raised:
            raise _CallbackFailed

    unhook = interrupt.on_set(lambda: stop.set(interrupt.signum or SIGINT)) if interrupt else _no_hook
    try:
        return work(forward, stop)
    except (_CallbackFailed, ImagegenError):
        if not raised:
            raise
    finally:
        unhook()
    raise raised[0]  # outside of the handler, so that the exception keeps its own causes


def _no_hook() -> None:
    """Undo nothing."""
