"""The story of one picture, or of several of one prompt: checked, made, finished, written."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codex_imagegen import backends
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import ImagegenError, OutExists, UsageError
from codex_imagegen.images import convert, output, structure
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import STDOUT, Event, Request, Run, Stage

if TYPE_CHECKING:
    from codex_imagegen.results import BackendResult, Image, Result

NOTHING_MADE = (
    "usage-limit", "rate-limited", "moderation", "refused", "tool-unavailable", "not-logged-in", "codex-incomplete",
)  # fmt: skip
"""Failures of which we are told that no picture was made: none can have landed after all."""

MAX_COUNT = 1000
"""More pictures of one prompt than anybody wants: a slip of the finger must not use up a month's quota."""

JOBS = {"codex": 2, "runcomfy": 8}
"""How many runs of a backend go on at once, where the user names no number."""


def generate(
    request: Request,
    *,
    interrupt: Interrupt | None = None,
    tell: Callable[[Event], None] | None = None,
    words: Callable[[bytes], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Make what was asked for, and write it.

    ``tell`` hears how it goes on, ``words`` gets Codex's own stderr; ``environment`` takes the place of the process's
    own. Raises the errors of :mod:`codex_imagegen.errors`; what can be refused is refused before anything is spent.
    Of several pictures, those that came are kept: their failures are in the result, not raised.
    """
    started = time.monotonic()
    run = Run(
        started,
        started + request.timeout_sec,
        interrupt or Interrupt(),
        tell or _nobody,
        words,
        layout.environment_with(request.codex_home, os.environ if environment is None else environment),
    )
    try:
        check(request)
        targets = _targets(request)
        there = _there(request, run, targets)
        if request.count > 1:
            return _several(request, run, targets, there)
        if there:
            return _result(request, run, tuple(there.values()))
        made, image = generate_one(request, run, targets[0])
    except ImagegenError as error:
        error.backend = request.backend
        raise
    return _result(request, run, (image,), made)


def _targets(request: Request) -> tuple[output.Target, ...]:
    return output.plan(
        request.out,
        count=request.count,
        force=request.force,
        wanted=request.image_options.format,
        within=request.within,
        may_be_there=request.skip_existing,
    )


def _there(request: Request, run: Run, targets: tuple[output.Target, ...]) -> dict[int, Image]:
    """The pictures that are there already and are not to be made; raises :class:`OutExists` for another file.

    A thousand take a while to decode: who asks to stop meanwhile is heard.
    """
    if not request.skip_existing:
        return {}
    from codex_imagegen.images import output

    there = {}
    for index, target in enumerate(targets):
        run.interrupt.check()
        if os.path.lexists(target.path):
            there[index] = output.existing_image(target.path)
    for index, image in there.items():
        _tell(run, "written", index=index, path=image.path, message="made before")
    return there


def check(request: Request) -> None:
    """Raise :class:`UsageError` for values that no backend could take."""
    if request.backend not in backends.BACKENDS:
        raise UsageError(f"there is no backend {request.backend!r}", hint="use codex or runcomfy")
    if not 0 < request.timeout_sec < 1e7:
        raise UsageError(f"--timeout-sec can't be {request.timeout_sec:g}", hint="give a number of seconds above 0")
    if not 1 <= request.count <= MAX_COUNT:
        raise UsageError(f"--count can't be {request.count}", hint=f"give a number from 1 to {MAX_COUNT}")
    if request.jobs is not None and request.jobs < 1:
        raise UsageError(f"--jobs can't be {request.jobs}", hint="give a number from 1")
    layout.check_home(request.codex_home)
    if request.count > 1 and request.codex_args:
        from codex_imagegen.codex.run import command as subcommand

        subcommand.refuse_thread(request.codex_args, "--count")
    if request.skip_existing:
        _check_skip(request)


def _check_skip(request: Request) -> None:
    if request.force:
        raise UsageError("--skip-existing and --force contradict each other", hint="leave one out")
    if request.out in (None, STDOUT):
        raise UsageError("--skip-existing needs an --out file name", hint="give the --out of the pictures before")


def generate_one(request: Request, run: Run, target: output.Target) -> tuple[BackendResult, Image]:
    """Make, finish and write one picture; an error names the command that gets back what may have landed."""
    try:
        with ExitStack() as closing:
            made = backends.load(request.backend).make(request, replace(run, closing=closing))
            try:
                run.interrupt.check(spent=True)
                made, image = _finished(request, made, target)
            except ImagegenError as error:
                error.spent, error.thread_id, error.codex_version = True, made.thread_id, made.codex_version
                error.request_id = made.request_id
                raise
            _tell(run, "written", thread_id=made.thread_id, request_id=made.request_id, path=image.path)
            return made, image
    except ImagegenError as error:
        _point_to_picture(error, target, request)
        raise


def _finished(request: Request, made: BackendResult, target: output.Target) -> tuple[BackendResult, Image]:
    """Re-encode the picture where the request or its name asks for that, compare it with the wishes, write it."""
    image_options = request.image_options
    picture = convert.finish(made.picture, target.format, image_options)
    if image_options.size or image_options.aspect_ratio or image_options.resolution or image_options.transparent:
        from codex_imagegen.images.compare import differences

        made = replace(made, warnings=(*made.warnings, *differences(picture, image_options)))
    if picture is made.picture:
        made = replace(made, warnings=(*made.warnings, *structure.remarks(picture)))
    return made, output.write(picture, target, original=picture is made.picture)


def _point_to_picture(error: ImagegenError, target: output.Target, request: Request) -> None:
    """End the hint of an error that came so far with the command that fetches the picture, should there be one.

    A thread that was gone on with holds older pictures, which that command would write as well: there it is named only
    where a picture is known to be there.
    """
    lost = error.exit_code == 73
    command = f"recover {error.thread_id}" if error.thread_id else None
    if error.request_id and lost:
        command = f"runcomfy wait {error.request_id}"
    if command is None or error.code in NOTHING_MADE:
        return
    landed = "the picture is not lost" if lost else "if a picture landed after all"
    if _resumes(request):
        if not lost:
            return
        landed += ", and the last that this writes"
    out = "FILE" if target.is_stdout else output.free(target.path) if isinstance(error, OutExists) else target.path
    home = f"CODEX_HOME={shlex.quote(request.codex_home)} " if request.codex_home else ""
    fetch = f"{landed}: {home}codex-imagegen {command} --out {shlex.quote(out)}"
    error.hint = f"{error.hint}; {fetch}" if error.hint and not lost else fetch


def _resumes(request: Request) -> bool:
    """Whether the run goes on with a thread."""
    if not request.codex_args:
        return False
    from codex_imagegen.codex.run import command as subcommand

    return subcommand.resumed_thread(request.codex_args) is not None


def _several(request: Request, run: Run, targets: tuple[output.Target, ...], there: Mapping[int, Image]) -> Result:
    """Several pictures of one prompt, but for those that are ``there``. What would fail for each of them is raised."""
    from codex_imagegen.runner import several

    ended = several.make(
        [index for index in range(request.count) if index not in there],
        lambda index, mine: generate_one(request, mine, targets[index]),
        run,
        timeout_sec=request.timeout_sec,
        workers=request.jobs or JOBS[request.backend],
    )
    if not there and ended.common_refusal is not None:
        raise ended.common_refusal
    images = {**there, **{index: image for index, (_made, image) in ended.made.items()}}
    found = tuple(image for _index, image in sorted(images.items()))
    done = _result(request, run, found, *(made for made, _image in ended.made.values()))
    done = replace(done, warnings=tuple(dict.fromkeys((*done.warnings, *ended.warnings()))))
    if not ended.errors:
        return done
    return replace(done, ok=False, failures=ended.failures(), error=ended.summary(len(found)))


def _result(request: Request, run: Run, images: tuple[Image, ...], *made: BackendResult) -> Result:
    """The result of pictures that came; the thread is named where there is only one."""
    from codex_imagegen.results import Result

    only = made[0] if len(made) == 1 and request.count == 1 else None
    return Result(
        ok=True,
        backend=request.backend,
        images=images,
        thread_id=only.thread_id if only else None,
        codex_version=next((m.codex_version for m in made if m.codex_version), None),
        elapsed_sec=round(time.monotonic() - run.started, 3),
        warnings=tuple(dict.fromkeys(warning for m in made for warning in m.warnings)),
        cost_usd=sum(costs) if (costs := [m.cost_usd for m in made if m.cost_usd is not None]) else None,
        request_id=only.request_id if only else None,
    )


def _tell(run: Run, stage: Stage, **more: Any) -> None:
    run.tell(Event(stage, time.monotonic() - run.started, **more))


def _nobody(_event: Event) -> None:
    """Nobody is listening."""
