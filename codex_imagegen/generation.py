"""Generate pictures: check the request, run the backend, convert, compare and write the picture."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codex_imagegen import backends, options, render
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import ImagegenError, UsageError
from codex_imagegen.images import output, structure
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event, Request, Run, Stage, is_stdout

if TYPE_CHECKING:
    from codex_imagegen.results import BackendResult, Image, PlannedImage, Result, Warning_

NO_PICTURE_CODES = (
    "usage-limit", "rate-limited", "moderation", "refused", "tool-unavailable", "not-logged-in", "codex-incomplete",
)  # fmt: skip
"""Error codes that mean that no picture was made."""

MAX_COUNT = 1000
"""The largest ``--count``: a typing error must not use up a month's quota."""

_WAIT_COMMAND = "codex-imagegen runcomfy wait "
"""What fetches the picture of a RunComfy request; the backend puts it at the end of a hint."""

DEFAULT_JOBS = {"codex": 2, "runcomfy": 8}
"""The default number of parallel runs of each backend."""


def generate(
    request: Request,
    *,
    interrupt: Interrupt | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_stderr: Callable[[bytes], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Make the requested pictures and write them.

    ``on_event`` is called with each event, ``on_stderr`` with Codex's own stderr. ``environment`` replaces that of the
    process.

    Raises the errors of :mod:`codex_imagegen.errors`; invalid requests are refused before anything is spent.
    Partial results are kept: if some of several pictures fail, the result has their failures, and nothing is raised.
    """
    run = _run(request, interrupt, on_event, on_stderr, environment)
    try:
        check(request)
        targets = _targets(request)
        existing = _existing_images(request, run, targets)
        if request.count > 1:
            return _generate_several(request, run, targets, existing)
        if existing:
            return _result(request, run, tuple(existing.values()))
        backend_result, image = generate_one(request, run, targets[0])
    except ImagegenError as error:
        error.backend, error.last = request.backend, request.last_picture
        raise
    return _result(request, run, (image,), backend_result)


def preview(
    request: Request,
    *,
    wait: bool = True,
    interrupt: Interrupt | None = None,
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Check what :func:`generate` checks before anything is spent; the result has what that would make and send.

    Starts no Codex, sends nothing and writes nothing. Without ``wait`` no picture would be written.
    """
    run = _run(request, interrupt, None, None, environment)
    try:
        check(request)
        planned, warnings = _plan(request, run, wait=wait)
    except ImagegenError as error:
        error.backend, error.last, error.is_dry_run = request.backend, request.last_picture, True
        raise
    return replace(_result(request, run, ()), warnings=warnings, dry_run=True, planned=planned)


def _plan(request: Request, run: Run, *, wait: bool) -> tuple[tuple[PlannedImage, ...], tuple[Warning_, ...]]:
    """A plan of each picture, and the warnings about what is sent."""
    from codex_imagegen.results import PlannedImage

    targets = _targets(request) if wait else ()
    existing = _existing_images(request, run, targets)
    planned = {index: PlannedImage(image.path, "skip", image.format) for index, image in existing.items()}
    if len(planned) == request.count:
        return tuple(planned.values()), ()
    with ExitStack() as closing:
        sent, warnings = backends.load(request.backend).preview(request, replace(run, closing=closing))
    for index, target in enumerate(targets):
        replaces = target.force and os.path.lexists(target.path)
        filled = replace(sent, path=target.path, action="replace" if replaces else "make", format=target.format)
        planned.setdefault(index, filled)
    return tuple(planned.get(index, sent) for index in range(request.count)), warnings


def count_missing(request: Request) -> int:
    """How many pictures a run would make; raises for a request or an output that it would refuse."""
    check(request)
    targets = _targets(request)
    return sum(not (request.skip_existing and os.path.lexists(target.path)) for target in targets)


def _run(
    request: Request,
    interrupt: Interrupt | None,
    on_event: Callable[[Event], None] | None,
    on_stderr: Callable[[bytes], None] | None,
    environment: Mapping[str, str] | None,
) -> Run:
    started = time.monotonic()
    return Run(
        started,
        started + request.timeout_sec,
        interrupt or Interrupt(),
        on_event or _ignore,
        on_stderr,
        layout.with_codex_home(request.codex_home, os.environ if environment is None else environment),
    )


def _targets(request: Request) -> tuple[output.Target, ...]:
    targets = output.plan(
        request.out,
        prompt=request.prompt,
        count=request.count,
        force=request.force,
        wanted=request.image_options.format,
        within=request.within,
        may_exist=request.skip_existing,
    )
    options.check_transparency(request.image_options, targets[0].format)
    return targets


def _existing_images(request: Request, run: Run, targets: tuple[output.Target, ...]) -> dict[int, Image]:
    """The existing pictures that ``skip_existing`` keeps; raises :class:`OutExists` for another file.

    Decoding a thousand takes a while, so the interrupt is checked for each.
    """
    if not request.skip_existing:
        return {}
    existing = {}
    for index, target in enumerate(targets):
        run.interrupt.check()
        if os.path.lexists(target.path):
            existing[index] = output.read_existing_image(target.path)
    for index, image in existing.items():
        _report(run, "written", index=index, path=image.path, message="made before")
    return existing


def check(request: Request) -> None:
    """Raise :class:`UsageError` for values that no backend accepts."""
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
        from codex_imagegen.codex.run import command as run_command

        run_command.refuse_resume(request.codex_args, "--count")
    if request.skip_existing:
        _check_skip(request)


def _check_skip(request: Request) -> None:
    if request.force:
        raise UsageError("--skip-existing and --force contradict each other", hint="leave one out")
    if is_stdout(request.out) or output.names_folder(request.out, request.within):
        raise UsageError("--skip-existing needs an --out file name", hint="give the --out of the earlier pictures")


def generate_one(request: Request, run: Run, target: output.Target) -> tuple[BackendResult, Image]:
    """Make, convert and write one picture. The hint of an error has the command that fetches a picture made anyway."""
    try:
        with ExitStack() as closing:
            result = backends.load(request.backend).make(request, replace(run, closing=closing))
            try:
                run.interrupt.check(spent=True)
                result, image = _finish(request, result, target)
            except ImagegenError as error:
                error.spent, error.thread_id, error.codex_version = True, result.thread_id, result.codex_version
                error.request_id = result.request_id
                raise
            _report(run, "written", thread_id=result.thread_id, request_id=result.request_id, path=image.path)
            return result, image
    except ImagegenError as error:
        _add_fetch_hint(error, target, request)
        raise


def _finish(request: Request, result: BackendResult, target: output.Target) -> tuple[BackendResult, Image]:
    """Convert the picture if the request or its name needs it, compare it with the request, and write it."""
    from codex_imagegen.images import convert

    image_options = request.image_options
    picture = convert.convert_as_requested(result.picture, target.format, image_options)
    if image_options.size or image_options.aspect_ratio or image_options.resolution or image_options.transparent:
        result = replace(result, warnings=(*result.warnings, *convert.differences(picture, image_options)))
    if picture is result.picture:
        result = replace(result, warnings=(*result.warnings, *structure.trailing_data_warnings(picture)))
    return result, output.write(picture, target, original=picture is result.picture)


def _add_fetch_hint(error: ImagegenError, target: output.Target, request: Request) -> None:
    """Add to an error's hint the command that fetches the picture, in case one was made.

    For a resumed thread, whose older pictures the command would write too, it is added only if a picture is known to
    exist.
    """
    is_unwritten = error.exit_code == 73
    command = f"recover {error.thread_id}" if error.thread_id else None
    if error.request_id and is_unwritten:
        command = f"runcomfy wait {error.request_id}"
    if command is None and (error.hint or "").rpartition("\n")[2].startswith(_WAIT_COMMAND):
        error.hint = f"{error.hint}{_out_argument(target)}"
    if command is None or error.code in NO_PICTURE_CODES:
        return
    when = "fetch the picture with" if is_unwritten else "if a picture was made all the same, fetch it with"
    if resumes_thread(request):
        if not is_unwritten:
            return
        when = "fetch the picture, the last that this writes, with"
    home = f"CODEX_HOME={render.shell_join([request.codex_home])} " if request.codex_home else ""
    fetch = f"{when}:\n{home}codex-imagegen {command}{_out_argument(target)}"
    error.hint = fetch if is_unwritten else render.join_hints(error.hint, fetch)


def _out_argument(target: output.Target) -> str:
    """The ``--out`` of a command that fetches the picture; none for stdout and pipes."""
    if target.is_stdout or target.is_stream:
        return ""
    return f" --out {render.shell_join([output.free_name(target)])}"


def resumes_thread(request: Request) -> bool:
    """Whether the run resumes a thread."""
    if not request.codex_args:
        return False
    from codex_imagegen.codex.run import command as run_command

    return run_command.resumed_thread(request.codex_args) is not None


def _generate_several(
    request: Request, run: Run, targets: tuple[output.Target, ...], existing: Mapping[int, Image]
) -> Result:
    """Make several pictures of one prompt, except the ``existing`` ones; raises an error that all of them share."""
    from codex_imagegen.runner import several

    outcome = several.make(
        [index for index in range(request.count) if index not in existing],
        lambda index, numbered_run: generate_one(request, numbered_run, targets[index]),
        run,
        timeout_sec=request.timeout_sec,
        workers=request.jobs or DEFAULT_JOBS[request.backend],
    )
    if not existing and outcome.common_refusal is not None:
        raise outcome.common_refusal
    images = {**existing, **{index: image for index, (_backend_result, image) in outcome.pictures.items()}}
    sorted_images = tuple(image for _index, image in sorted(images.items()))
    backend_results = (backend_result for backend_result, _image in outcome.pictures.values())
    result = _result(request, run, sorted_images, *backend_results)
    names = [os.path.basename(target.path) for target in targets]
    warnings = (*outcome.warnings(names), *several.repeated(images, outcome.pictures))
    result = replace(result, warnings=tuple(dict.fromkeys(warnings)))
    if not outcome.errors:
        return result
    return replace(result, ok=False, failures=outcome.failures(), error=outcome.summary(len(sorted_images)))


def _result(request: Request, run: Run, images: tuple[Image, ...], *backend_results: BackendResult) -> Result:
    """The result of a success; it names the thread if there is only one picture."""
    from codex_imagegen.results import Result

    costs = [each.cost_usd for each in backend_results if each.cost_usd is not None]
    single = backend_results[0] if len(backend_results) == 1 and request.count == 1 else None
    return Result(
        ok=True,
        backend=request.backend,
        images=images,
        thread_id=single.thread_id if single else None,
        codex_version=next((each.codex_version for each in backend_results if each.codex_version), None),
        elapsed_sec=round(time.monotonic() - run.started, 3),
        warnings=tuple(dict.fromkeys(warning for each in backend_results for warning in each.warnings)),
        cost_usd=sum(costs) if costs else None,
        request_id=single.request_id if single else None,
        last=request.last_picture,
    )


def _report(run: Run, stage: Stage, **more: Any) -> None:
    run.on_event(Event(stage, time.monotonic() - run.started, **more))


def _ignore(_event: Event) -> None:
    """Ignore the event."""
