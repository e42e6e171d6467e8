"""The Python API: a few thin functions with the guarantees of the command line.

Nothing here prints, exits or touches a signal handler. What is raised is of :class:`~codex_imagegen.ImagegenError`'s
tree, bad arguments included (:class:`~codex_imagegen.UsageError`, before anything is spent); ``KeyboardInterrupt``
passes through once everything has been cleaned up. All of it may be called from several threads at once.

**Cancellation.** Every function that starts Codex takes ``interrupt``, an :class:`~codex_imagegen.Interrupt`. Its
``set()`` may be called from any thread, or from a signal handler: Codex is asked to end in good order (some 40 ms, and
forced where it does not), temporary files are removed, and the function raises :class:`~codex_imagegen.Interrupted`.
That error has the ``thread_id``, if Codex had begun one, ``spent`` (whether quota may have been used), and a ``hint``
with the ``recover`` command that fetches the picture, should it have landed after all. A picture that was written
before the interrupt was seen is a result, and no error.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from codex_imagegen import generation, options, wishes
from codex_imagegen.arguments import HINT, Look, Options, StrPath, checked, one
from codex_imagegen.errors import Interrupted, UsageError
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.model import Event
from codex_imagegen.outcome import Result

if TYPE_CHECKING:
    from codex_imagegen.batches.jobs import Jobs
    from codex_imagegen.batches.outcome import Outcome

Job = str | Mapping[str, Any]


def generate(prompt: str, *, refs: StrPath | Sequence[StrPath] = (), **more: Unpack[Options]) -> Result:
    """Make a picture of ``prompt``, which is sent word for word, and write it; the result says where it is.

    ``refs`` are reference pictures (PNG, JPEG, WebP), at most five. The other arguments are those of
    :class:`~codex_imagegen.arguments.Options`. Of several pictures (``count``) those that came are kept:
    ``result.failures`` tells of the others.
    """
    on_event, interrupt = more.pop("on_event", None), more.pop("interrupt", None)
    request = options.request(checked({"prompt": prompt, "refs": refs, **more}))
    return generation.generate(request, interrupt=interrupt, tell=on_event)


def edit(prompt: str, refs: StrPath | Sequence[StrPath], **more: Unpack[Options]) -> Result:
    """Make a picture of ``prompt`` from at least one reference; all else is as with :func:`generate`."""
    if not refs:
        raise UsageError("an edit needs at least one reference", hint="give refs, or call generate")
    return generate(prompt, refs=refs, **more)


def batch(
    jobs: StrPath | Iterable[Job],
    *,
    out_dir: StrPath = ".",
    workers: int | None = None,
    retry_failed: bool = False,
    force: bool = False,
    timeout_sec: float | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_event: Callable[[Event], None] | None = None,
    interrupt: Interrupt | None = None,
    **look: Unpack[Look],
) -> tuple[Outcome, ...]:
    """Make many pictures, each once; what became of each job, in the order of the jobs.

    ``jobs`` is a file as the command takes it, or the jobs themselves: a prompt, or a mapping with ``prompt`` and, if
    you like, ``refs``, ``out`` and any option by its name. ``timeout_sec`` is for each picture. All of it is checked
    before the first run. The journal beside the pictures knows what was made: called again, it makes what is missing.

    ``on_event`` hears how the jobs go on, in the threads that work on them: ``event.job`` says which one it is.
    ``on_outcome`` hears of each job as it ends, in the caller's thread. An outcome has ``line`` (the job, counted from
    1), ``out``, ``status`` (made, recovered, there, failed, left) and ``result``. A job that fails raises nothing.
    """
    from codex_imagegen.batches import begin

    at_once = begin.workers(one("workers", workers, options.whole), look.get("backend"))
    defaults = checked({**look, "force": force, "timeout_sec": timeout_sec})
    folder, interrupt = one("out_dir", out_dir, options.path), interrupt or Interrupt()
    done: list[Outcome] = []
    with contextlib.ExitStack() as stack:
        listed = stack.enter_context(_listed(jobs, folder, defaults))
        begun = begin.begun(
            listed, folder, interrupt, workers=at_once, retry_failed=retry_failed, tell=on_event or _nobody
        )
        work = stack.enter_context(begun)
        for outcome in stack.enter_context(contextlib.closing(work.work.outcomes())):
            done.append(outcome)
            if on_outcome is not None:
                on_outcome(outcome)
    if interrupt.signum is not None and len(done) < work.total:
        told = f"interrupted when {len(done)} of {work.total} jobs had ended"
        raise Interrupted(told, signum=interrupt.signum, hint="the same call goes on where it was cut off", spent=None)
    return tuple(sorted(done, key=lambda outcome: outcome.line))


def recover(
    *sessions: StrPath,
    last: bool = False,
    out: StrPath | None = None,
    out_dir: StrPath | None = None,
    force: bool = False,
    size: str | tuple[int, int] | None = None,
    fit: bool = False,
) -> Result:
    """Write the pictures of past sessions: of these thread ids or rollout files, or of the ``last`` one with a picture.

    Nothing is spent and no Codex is started. ``out`` is a file; without it each picture is ``<thread>.png`` in
    ``out_dir``, or in the working folder. With ``size`` and ``fit`` they are scaled and cropped.
    """
    from codex_imagegen.recovery import story
    from codex_imagegen.recovery.place import Place

    given = checked({"out": out, "force": force, "size": size, "fit": fit})
    look = wishes.parse(size=given.get("size"), fit=given["fit"])
    place = Place(given.get("out"), one("out_dir", out_dir, options.path), given["force"], look)
    return story.recover(one("sessions", sessions, options.paths), place, last=last)


def _nobody(_event: Event) -> None:
    """Nobody is listening."""


def _listed(jobs: StrPath | Iterable[Job], folder: str, defaults: Mapping[str, Any]) -> Jobs:
    from codex_imagegen.batches import begin

    if isinstance(jobs, (str, os.PathLike)):
        return begin.listed(one("jobs", jobs, options.path), out_dir=folder, defaults=defaults)
    if isinstance(jobs, Mapping) or not isinstance(jobs, Iterable):
        raise UsageError("'jobs' must be a file, or a list of jobs", hint=HINT)
    try:
        lines = [json.dumps({"prompt": job} if isinstance(job, str) else dict(job), default=os.fspath) for job in jobs]
    except (TypeError, ValueError) as error:
        raise UsageError(f"a job must be a prompt or a mapping of options: {error}", hint=HINT) from error
    source = io.BytesIO("\n".join(lines).encode())
    return begin.listed("jobs.jsonl", out_dir=folder, defaults=defaults, source=source)
