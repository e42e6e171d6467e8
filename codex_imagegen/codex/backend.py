"""The Codex backend: make a picture through the Codex CLI, on the user's own plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_imagegen.codex import features
from codex_imagegen.codex.install import config, npm
from codex_imagegen.codex.run import command
from codex_imagegen.codex.run.run import CodexRun
from codex_imagegen.codex.run.workspace import held, workspace
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import CodexFailed, ImagegenError, RunTimeout, UsageError
from codex_imagegen.images.references import Reference, load
from codex_imagegen.request import Request, Run

if TYPE_CHECKING:
    from codex_imagegen.codex.run.resume import ThreadState
    from codex_imagegen.results import BackendResult, Warning_


def make(request: Request, run: Run) -> BackendResult:
    """Make one picture; see :class:`codex_imagegen.backends.Backend`."""
    if request.earlier is not None:
        from codex_imagegen.codex.run import interrupted

        return interrupted.fetch(request.earlier, request.prompt, run, full_turn=request.full_turn)
    command.check_prompt(request.prompt)
    _check_count(request.refs)
    codex = command.find_codex(request.codex, run.environment)
    references, reduced = _load_references(request, run)
    before = _resumed_state(request.codex_args, run)
    folder, copies = run.closing.enter_context(workspace(references, request.folder))
    lock = run.closing.enter_context(held(folder))
    binary = npm.binary(codex)
    version = npm.version(binary)
    servers = config.servers(layout.codex_home(run.environment))

    def create_run(*, cautious: bool = False) -> CodexRun:
        argv = command.build_argv(
            binary,
            folder,
            references=copies,
            image_options=request.image_options,
            model=request.model,
            settings=features.settings(servers, version, cautious=cautious),
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
            from codex_imagegen.codex.run import upload

            upload.explain_large_references(error, references, reduced)
        raise
    return replace(result, warnings=(*reduced, *result.warnings)) if reduced else result


def _draw(create_run: Callable[..., CodexRun], prompt: bytes, run: Run, *, is_tested: bool) -> BackendResult:
    """Run Codex; once more, at no cost, where an untested build has refused a setting of the first run."""
    first = run.closing.enter_context(create_run())
    try:
        return first.draw(prompt)
    except CodexFailed:
        if is_tested or first.may_have_spent:
            raise
    second = create_run(cautious=True)
    second.reported = first.reported
    return run.closing.enter_context(second).draw(prompt)


def _check_count(paths: tuple[str, ...]) -> None:
    if len(paths) > command.MAX_REFERENCES:
        raise UsageError(
            f"{len(paths)} references were given; the Codex route takes at most {command.MAX_REFERENCES}",
            hint="leave some out, or use --backend runcomfy, which takes 10",
        )


def _load_references(request: Request, run: Run) -> tuple[list[Reference], tuple[Warning_, ...]]:
    """The references as they are sent, with a warning for each reduced one. Without references, nothing is imported."""
    if not request.refs:
        return [], ()
    from codex_imagegen.codex.run import upload
    from codex_imagegen.images import reduce

    def check() -> None:
        run.interrupt.check()
        if time.monotonic() >= run.deadline:
            raise RunTimeout("the references took all of the time", hint="allow more time with --timeout-sec")

    limits = upload.size_limits(request.prompt, full_turn=request.full_turn)
    return reduce.fit([load(path, request.refs_within) for path in request.refs], limits, check)


def _resumed_state(codex_args: tuple[str, ...], run: Run) -> ThreadState | None:
    """The state of the thread that the user's own arguments resume; until the run ends, no other run resumes it."""
    if not codex_args:
        return None
    from codex_imagegen.codex.run import resume

    thread = command.resumed_thread(codex_args)
    if thread is None:
        return None
    codex_home = layout.codex_home(run.environment)
    run.closing.enter_context(resume.alone(resume.thread_state(codex_home, thread)))
    return resume.thread_state(codex_home, thread)  # again: another run may have ended in between
