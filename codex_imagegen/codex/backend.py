"""The Codex backend: make a picture through the Codex CLI, on the user's own plan.

It also limits what a run uploads: each reference is sent twice, to the model and then with the tool's call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.codex import features
from codex_imagegen.codex.install import config, npm
from codex_imagegen.codex.run import command
from codex_imagegen.codex.run.run import CodexRun
from codex_imagegen.codex.run.workspace import check, choose_path, lock_folder, workspace
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import CodexFailed, ImagegenError, RunTimeout, UsageError
from codex_imagegen.request import Request, Run

if TYPE_CHECKING:
    from codex_imagegen.codex.run.resume import ThreadState
    from codex_imagegen.images.reduce import SizeLimits
    from codex_imagegen.images.references import Reference
    from codex_imagegen.results import BackendResult, PlannedImage, Warning_

MAX_BYTES = 64_000_000
"""Upload limit of a run. Above it, users report false moderation and lost references."""

MAX_DATA_URL = 20_971_520
"""Characters that the API accepts in one picture as a ``data:`` URL."""

LARGE_BYTES = 8_000_000
"""References of so many bytes together, as they are sent, may be the cause of a failure."""

_MAY_BE_LARGE = {"moderation", "network"}
"""Errors that large references cause, as users report."""

_STEP_BYTES = 1_000_000
"""The limit is rounded down to whole megabytes, so that the next prompt of a batch can use the same smaller copies."""

_URL_PREFIX = len("data:image/jpeg;base64,")
_REQUEST_BYTES = 250_000
"""The rest of each request: instructions and tools, which have 50 to 100 KB (0.111.0 to 0.169.0)."""

_PICTURE_BYTES = 8_000_000
"""The new picture, which a full turn sends back to the model; most have 2 MB, and a third more as base64."""


def make(request: Request, run: Run) -> BackendResult:
    """Make one picture; see :class:`codex_imagegen.backends.Backend`."""
    if request.earlier is not None:
        from codex_imagegen.codex.run import interrupted

        return interrupted.fetch(request.earlier, request.prompt, run, full_turn=request.full_turn)
    command.check_prompt(request.prompt)
    _check_count(len(request.refs))
    codex = command.find_codex(request.codex, run.environment)
    references, reduced = _load_references(request, run)
    before = _resumed_state(request.codex_args, run)
    folder, copies = run.closing.enter_context(workspace(references, request.folder))
    lock = run.closing.enter_context(lock_folder(folder))
    binary = npm.find_binary(codex)
    version = npm.read_version(binary)
    servers = config.read_mcp_servers(layout.codex_home(run.environment))

    def create_run(*, cautious: bool = False) -> CodexRun:
        argv = command.build_argv(
            binary,
            folder,
            references=copies,
            image_options=request.image_options,
            model=request.model,
            settings=features.build_settings(servers, version, cautious=cautious),
            extra=request.codex_args,
        )
        run.interrupt.check()
        return CodexRun(
            argv,
            folder=folder,
            run=run,
            full_turn=request.full_turn,
            reference_images=[data for reference in references for data in reference.known],
            inherited=lock,
            before=before,
            announces_stdin=features.is_tested(version),
        )

    try:
        result = _draw(create_run, request.prompt.encode(), run, is_tested=features.is_tested(version))
    except ImagegenError as error:
        if references:
            explain_large_references(error, references, reduced)
        raise
    if not references:
        return result
    from codex_imagegen.images.references import same_as_reference

    return replace(result, warnings=(*reduced, *same_as_reference(result.picture, references), *result.warnings))


def preview(request: Request, run: Run) -> tuple[PlannedImage, tuple[Warning_, ...]]:
    """Check the request as far as that starts nothing; see :class:`codex_imagegen.backends.Backend`."""
    from codex_imagegen.images.references import describe
    from codex_imagegen.results import PlannedImage

    command.check_prompt(request.prompt)
    _check_count(len(request.refs))
    codex = command.find_codex(request.codex, run.environment)
    references, reduced = _load_references(request, run)
    _resumed_state(request.codex_args, run)
    check(choose_path(), with_copies=bool(references))
    planned = PlannedImage(
        references=tuple(describe(reference) for reference in references),
        codex=codex,
        model=request.model,
        options=command.describe_options(request.image_options).strip() or None,
        instructions=command.build_instructions(len(references), request.image_options),
    )
    return planned, reduced


def _draw(create_run: Callable[..., CodexRun], prompt: bytes, run: Run, *, is_tested: bool) -> BackendResult:
    """Run Codex; if an untested build refuses a setting, at no cost, run it once more without such settings."""
    first = run.closing.enter_context(create_run())
    try:
        return first.draw(prompt)
    except CodexFailed:
        if is_tested or first.may_have_spent:
            raise
    second = create_run(cautious=True)
    second.reported = first.reported
    return run.closing.enter_context(second).draw(prompt)


def _check_count(count: int) -> None:
    if count > command.MAX_REFERENCES:
        raise UsageError(
            f"{count} references were given; the Codex route takes at most {command.MAX_REFERENCES}",
            hint="leave some out, or use --backend runcomfy, which takes 10",
        )


def _load_references(request: Request, run: Run) -> tuple[list[Reference], tuple[Warning_, ...]]:
    """Load the references as they are sent, some as converted copies, with a warning for each reduced one."""
    if not request.refs:
        return [], ()
    from codex_imagegen.images import reduce
    from codex_imagegen.images.references import load

    def check() -> None:
        run.interrupt.check()
        if time.monotonic() >= run.deadline:
            raise RunTimeout("the references took all of the time", hint="allow more time with --timeout-sec")

    limits = size_limits(request.prompt, full_turn=request.full_turn)
    return reduce.reduce_to_fit([load(path, request.refs_within) for path in request.refs], limits, check)


def _resumed_state(codex_args: tuple[str, ...], run: Run) -> ThreadState | None:
    """Lock the thread that the user's own arguments resume, if any, for the run, and return its state."""
    if not codex_args:
        return None
    from codex_imagegen.codex.run import resume

    thread = command.resumed_thread(codex_args)
    if thread is None:
        return None
    codex_home = layout.codex_home(run.environment)
    run.closing.enter_context(resume.lock_thread(resume.read_thread_state(codex_home, thread)))
    return resume.read_thread_state(codex_home, thread)  # again: another run may have ended in between


def size_limits(prompt: str, *, full_turn: bool) -> SizeLimits:
    """The size limits of a run's references, which are sent twice; a full turn sends everything once more."""
    from codex_imagegen.images.reduce import SizeLimits

    times = 3 if full_turn else 2
    rest = times * (len(prompt.encode(errors="replace")) + _REQUEST_BYTES) + (_PICTURE_BYTES if full_turn else 0)
    total = _bytes_of((MAX_BYTES - rest) // times)
    return SizeLimits(each=_bytes_of(MAX_DATA_URL - _URL_PREFIX), total=total // _STEP_BYTES * _STEP_BYTES)


def explain_large_references(
    error: ImagegenError, references: Sequence[Reference], reduced: Sequence[Warning_]
) -> None:
    """Add to an error the warnings about reduced references, and a hint where large ones may have caused it."""
    error.warnings = (*((warning.code, warning.message) for warning in reduced), *error.warnings)
    size = sum(len(reference.data) for reference in references)
    if error.code in _MAY_BE_LARGE and size >= LARGE_BYTES and "smaller references" not in (error.hint or ""):
        advice = f"smaller references may help, too: these have {render.size(size)}"
        error.hint = render.join_hints(error.hint, advice)


def _bytes_of(characters: int) -> int:
    """The number of bytes that so many characters of base64 encode."""
    return characters // 4 * 3
