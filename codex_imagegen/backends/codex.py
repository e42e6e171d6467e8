"""The Codex route: the user's own plan, through the Codex CLI."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from codex_imagegen.codex import command, config, lean, native, sessions
from codex_imagegen.codex.turn import Turn
from codex_imagegen.codex.workspace import held, workspace
from codex_imagegen.errors import CodexFailed, UsageError
from codex_imagegen.model import Request, Run
from codex_imagegen.pictures.references import load

if TYPE_CHECKING:
    from codex_imagegen.codex.resume import Before
    from codex_imagegen.outcome import Made


def make(request: Request, run: Run) -> Made:
    """Make one picture; see :class:`codex_imagegen.backends.Backend`."""
    if request.earlier is not None:
        from codex_imagegen.codex import earlier

        return earlier.fetch(request.earlier, request.prompt, run, full_turn=request.full_turn)
    command.check_prompt(request.prompt)
    _check_count(request.refs)
    codex = command.find(request.codex, run.environment)
    references = [load(path, request.refs_within) for path in request.refs]
    codex_home = sessions.home(run.environment)
    before = _before(codex_home, request.codex_args)
    folder, copies = run.closing.enter_context(workspace(references, request.folder))
    lock = run.closing.enter_context(held(folder))
    binary = native.binary(codex)
    version = native.version(binary)
    servers = config.servers(codex_home)

    def turn(*, cautious: bool = False) -> Turn:
        line = command.argv(
            binary,
            folder,
            references=copies,
            wishes=request.wishes,
            model=request.model,
            settings=lean.settings(servers, version, cautious=cautious),
            extra=request.codex_args,
        )
        run.interrupt.check()
        return Turn(
            line,
            folder=folder,
            run=run,
            full_turn=request.full_turn,
            known=[reference.data for reference in references],
            keep=lock,
            before=before,
            says_when=lean.is_tried(version),
        )

    return _made(turn, request.prompt.encode(), run, may_refuse=not lean.is_tried(version))


def _made(turn: Callable[..., Turn], prompt: bytes, run: Run, *, may_refuse: bool) -> Made:
    """The picture of a turn; of a second one where the build has refused a switch of the first, which costs nothing."""
    first = run.closing.enter_context(turn())
    try:
        return first.made(prompt)
    except CodexFailed:
        if not may_refuse or first.has_begun:
            raise
    return run.closing.enter_context(turn(cautious=True)).made(prompt)


def _before(codex_home: str, codex_args: tuple[str, ...]) -> Before | None:
    """What there was of the thread that the user's own arguments go on with."""
    thread = command.resumed(codex_args) if codex_args else None
    if thread is None:
        return None
    from codex_imagegen.codex import resume

    return resume.before(codex_home, thread)


def _check_count(paths: tuple[str, ...]) -> None:
    if len(paths) > command.MAX_REFERENCES:
        raise UsageError(
            f"{len(paths)} references were given; the Codex route takes at most {command.MAX_REFERENCES}",
            hint="leave some out, or use --backend runcomfy, which takes 10",
        )
