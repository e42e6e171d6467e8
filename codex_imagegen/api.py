"""The Python API: one function, with the guarantees of the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from codex_imagegen import generation
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.model import DEFAULT_TIMEOUT_SEC, Event, Request
from codex_imagegen.outcome import Result


def generate(
    prompt: str,
    *,
    refs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    out: str | os.PathLike[str] | None = None,
    timeout_sec: float = DEFAULT_TIMEOUT_SEC,
    force: bool = False,
    full_turn: bool = False,
    codex: str | os.PathLike[str] | None = None,
    model: str | None = None,
    codex_args: Sequence[str] = (),
    on_event: Callable[[Event], None] | None = None,
    interrupt: Interrupt | None = None,
) -> Result:
    """Make one picture of ``prompt`` and write it to ``out``; the result says where it is.

    ``prompt`` is sent word for word. ``refs``: at most five PNG, JPEG or WebP files. ``out`` ends in .png, .jpg,
    .jpeg or .webp; without it a new ``image-<time>.png`` in the working folder. ``timeout_sec`` are seconds, for the
    whole run. ``on_event`` hears how the run goes on; ``interrupt.set()`` ends it, from any thread.

    Raises the errors of :class:`~codex_imagegen.ImagegenError`'s tree and no others; ``KeyboardInterrupt`` passes
    through once everything has been cleaned up. Safe to call from several threads at once.
    """
    request = Request(
        prompt=prompt,
        refs=tuple(os.fspath(ref) for ref in ([refs] if isinstance(refs, (str, os.PathLike)) else refs)),
        out=None if out is None else os.fspath(out),
        timeout_sec=timeout_sec,
        force=force,
        full_turn=full_turn,
        codex=None if codex is None else os.fspath(codex),
        model=model,
        codex_args=tuple(codex_args),
    )
    return generation.generate(request, interrupt=interrupt, tell=on_event)
