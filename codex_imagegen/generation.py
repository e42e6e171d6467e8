"""The story of one picture: checked, made, written."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from codex_imagegen import backends
from codex_imagegen.errors import ImagegenError, OutExists, OutUnwritable, UsageError
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.model import Event, Image, Made, Request, Result, Run
from codex_imagegen.pictures import output


def generate(
    request: Request,
    *,
    interrupt: Interrupt | None = None,
    tell: Callable[[Event], None] | None = None,
    words: Callable[[bytes], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Make the picture that was asked for, and write it.

    ``tell`` hears how it goes on, ``words`` gets Codex's own stderr; ``environment`` takes the place of the process's
    own. Raises the errors of
    :mod:`codex_imagegen.errors`; what can be refused is refused before anything is spent.
    """
    started = time.monotonic()
    run = Run(
        started,
        started + request.timeout_sec,
        interrupt or Interrupt(),
        tell or _nobody,
        words,
        os.environ if environment is None else environment,
    )
    check(request)
    target = output.plan(request.out, force=request.force, wanted=request.wishes.format)[0]
    made = backends.load(request.backend).make(request, run)
    image = _write(made, target)
    return _result(request, run, made, image)


def check(request: Request) -> None:
    """Raise :class:`UsageError` for values that no backend could take."""
    if request.backend not in backends.BACKENDS:
        raise UsageError(f"there is no backend {request.backend!r}", hint="use codex or runcomfy")
    if not 0 < request.timeout_sec < 1e7:
        raise UsageError(f"--timeout-sec can't be {request.timeout_sec:g}", hint="give a number of seconds above 0")


def _nobody(_event: Event) -> None:
    """Nobody is listening."""


def _write(made: Made, target: output.Target) -> Image:
    """Write the picture in the format that the target's name promises."""
    try:
        if target.format is None or target.format == made.picture.format:
            return output.write(made.picture, target)
        from codex_imagegen.pictures.convert import convert

        return output.write(convert(made.picture, target.format), target, original=False)
    except (OutExists, OutUnwritable) as error:
        raise _recoverable(error, made) from error


def _recoverable(error: ImagegenError, made: Made) -> ImagegenError:
    """The same error, with what is known of the run and the command that fetches the picture."""
    error.spent, error.thread_id, error.codex_version = True, made.thread_id, made.codex_version
    error.warnings = tuple((warning.code, warning.message) for warning in made.warnings)
    if made.thread_id:
        error.hint = f"the picture is not lost: codex-imagegen recover {made.thread_id} --out FILE"
    return error


def _result(request: Request, run: Run, made: Made, image: Image) -> Result:
    return Result(
        ok=True,
        backend=request.backend,
        images=(image,),
        thread_id=made.thread_id,
        codex_version=made.codex_version,
        elapsed_sec=round(time.monotonic() - run.started, 3),
        warnings=made.warnings,
    )
