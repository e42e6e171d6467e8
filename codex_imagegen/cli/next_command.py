"""The hint after an incomplete request: the command that makes the missing pictures, and when to run it."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from codex_imagegen import render
from codex_imagegen.errors import Interrupted
from codex_imagegen.images import output
from codex_imagegen.request import Request
from codex_imagegen.results import Result
from codex_imagegen.runner.attempts import SAME_PROMPT_CODES

if TYPE_CHECKING:
    from codex_imagegen.errors import ImagegenError
    from codex_imagegen.results import ErrorInfo


def add_rerun_hint(result: Result, request: Request) -> Result:
    """Return the same result with the rerun command in its hint, where there is one."""
    error = result.error
    extra = _extra_arguments(result, request)
    if error is None or extra is None or error.code in SAME_PROMPT_CODES:
        return result
    stop = replace(error, hint=None) if error.code == Interrupted.code else error
    return replace(result, error=replace(error, hint=rerun_hint(stop, rerun_command(extra=extra))))


def rerun_command(*subcommand: str, extra: tuple[str, ...] = ()) -> str:
    """Return the command line that is running, with ``subcommand`` before its arguments and ``extra`` after them."""
    args = click.get_current_context().meta["arguments"]
    end = args.index("--") if "--" in args else len(args)
    return render.shell_join(["codex-imagegen", *subcommand, *args[:end], *extra, *args[end:]])


def rerun_hint(stop: ErrorInfo | ImagegenError, command: str) -> str:
    """Say when to run ``command`` after this error."""
    if stop.resets_at is not None:
        return f"{render.until(stop.resets_at)} go on with:\n{command}"
    if stop.code == "usage-limit":
        return f"later go on with:\n{command}"
    return render.join_hints(stop.hint, f"{'then ' if stop.hint else ''}go on with:\n{command}")


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
