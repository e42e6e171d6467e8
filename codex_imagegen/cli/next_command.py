"""The hint after an incomplete request: the command that makes the missing pictures, and when to run it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from codex_imagegen import render
from codex_imagegen.cli.options import OPTION, options_with_value, read_words
from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.images import output
from codex_imagegen.request import STDOUT, Request
from codex_imagegen.results import Result
from codex_imagegen.runner.attempts import SAME_PROMPT_CODES

if TYPE_CHECKING:
    from codex_imagegen.results import ErrorInfo, LastPicture


def add_rerun_hint(result: Result, request: Request) -> Result:
    """Return the same result with the rerun command in its hint, where there is one."""
    error = result.error
    extra = _extra_arguments(result, request)
    if error is None or extra is None or error.code in SAME_PROMPT_CODES:
        return result
    stop = replace(error, hint=None) if error.code == Interrupted.code else error
    command, condition = rerun_command(extra=extra), stdin_condition()
    if request.last_picture is not None:
        command, condition = _with_same_reference(command, request.last_picture, condition)
    return replace(result, error=replace(error, hint=rerun_hint(stop, command, condition)))


def rerun_command(*subcommand: str, extra: tuple[str, ...] = ()) -> str:
    """Return the command line that is running, with ``subcommand`` before its arguments and ``extra`` after them.

    ``--last`` is left out: by now it is another picture.
    """
    ctx = click.get_current_context()
    read = read_words(ctx.meta["arguments"], options_with_value(ctx.command))  # of --prompt -- the dashes are the value
    words = [word for word in read if word != ("--last", OPTION)]
    args = [word for word, _kind in words]
    end = words.index(("--", OPTION)) if ("--", OPTION) in words else len(args)
    return render.shell_join(["codex-imagegen", *subcommand, *args[:end], *extra, *args[end:]])


def rerun_hint(stop: ErrorInfo | ImagegenError, command: str, condition: str = "") -> str:
    """Say when to run ``command`` after this error, and under which ``condition`` (``", …,"``)."""
    how = f"go on{condition} with:\n{command}"
    if stop.resets_at is not None:
        return f"{render.until(stop.resets_at)} {how}"
    return render.join_hints(stop.hint, f"{'then ' if stop.hint else ''}{how}")


def stdin_condition() -> str:
    """Return the condition for a command that has read its jobs, its prompt or a reference from stdin, else ``""``."""
    given = click.get_current_context().params
    single = [given.get(name) for name in ("jobs", "prompt", "prompt_file")]
    is_read = STDOUT in [*single, *given.get("words", ()), *given.get("refs", ())]
    return ", with the same standard input," if is_read else ""


def _with_same_reference(command: str, last: LastPicture, condition: str) -> tuple[str, str]:
    """Return the command with the picture that ``--last`` was, and the condition under which it can be run.

    The picture comes from a pipe if that is free and the picture is the only one of its thread.
    """
    rest = command.removeprefix("codex-imagegen ")
    if last.thread_id and not condition and _is_only_picture(last):
        return f"codex-imagegen recover {last.thread_id} --out - | codex-imagegen --ref - {rest}", ""
    fetched = f" (recover {last.thread_id} writes it)" if last.thread_id else ""
    return f"codex-imagegen --ref FILE {rest}", f"{condition or ','} with the picture that --last was as FILE{fetched},"


def _is_only_picture(last: LastPicture) -> bool:
    """Return whether ``recover`` prints just this picture for its thread."""
    from codex_imagegen.codex.sessions import layout
    from codex_imagegen.recovery import search

    home = layout.codex_home(os.environ)
    try:
        pictures = search.read_session(home, search.find_session(home, str(last.thread_id))).pictures
    except ImagegenError:
        return False
    return [hashlib.sha256(picture.data).hexdigest() for picture in pictures] == [last.sha256]


def _extra_arguments(result: Result, request: Request) -> tuple[str, ...] | None:
    """Return the arguments to add, or None if the names do not show which pictures are missing."""
    if request.force:
        return None
    if not output.names_folder(request.out):
        return () if request.skip_existing else ("--skip-existing",)
    if not result.images:
        return ()
    name = _common_name(result, request.count)
    return ("--out", name, "--skip-existing") if name else None


def _common_name(result: Result, count: int) -> str | None:
    """Return the name that was numbered for all pictures, or None where one differs or a missing one is taken."""
    missing = {failure.index for failure in result.failures}
    present = [index for index in range(count) if index not in missing]
    names = {_without_number(image.path, index) for index, image in zip(present, result.images, strict=True)}
    name = names.pop()
    if names or name is None:
        return None
    targets = output.number_names(name, count)
    return None if any(os.path.lexists(targets[index]) for index in missing) else name


def _without_number(path: str, index: int) -> str | None:
    """Return the name that :func:`output.number_names` has numbered, or None if it has not."""
    stem, suffix = os.path.splitext(path)
    bare = stem.removesuffix(f"-{index + 1}")
    return bare + suffix if bare != stem else None
