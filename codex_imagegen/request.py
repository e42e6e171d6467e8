"""What goes in, and what is told on the way: frozen dataclasses that every room may know."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from codex_imagegen.interrupt import Interrupt
    from codex_imagegen.results import ErrorInfo, Warning_

DEFAULT_TIMEOUT_SEC = 300.0
STDOUT = "-"

PictureFormat = Literal["png", "jpeg", "webp"]
FORMATS: dict[str, PictureFormat] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
"""Formats by the names that ``--format`` takes. With a dot before it, each name is a suffix of a file's name too."""
SUFFIXES: dict[str, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
"""The suffix for each format in file names that this program chooses."""
Stage = Literal[
    "started", "thread", "queued", "drawing", "received", "written", "failed", "warning", "message", "done", "error"
]
"""What an event tells of.

``started``: Codex runs, or RunComfy has taken the request; ``thread``: the thread's id is known; ``queued``: RunComfy
lets it wait; ``drawing``: the image tool was called; ``received``: the record of a picture is there; ``written``: the
picture is at ``path``; ``failed``: one of several did not come. The rest is told with ``--events`` alone: ``warning``,
``message`` (what is no event: Codex's own words with ``--verbose``, a sentence for a person), and as the last line of
every run either ``done`` or ``error``.
"""


def format_of(path: str) -> PictureFormat | None:
    """The format that a file name's suffix stands for, or None."""
    return FORMATS.get(os.path.splitext(path)[1].lower().removeprefix("."))


@dataclass(frozen=True)
class ImageOptions:
    """How the picture should look, beside the prompt; None means that nothing was asked.

    ``size`` is (width, height) in pixels. What a backend can't promise is asked for, and compared with what came.
    """

    size: tuple[int, int] | None = None
    aspect_ratio: str | None = None
    resolution: str | None = None
    quality: str | None = None
    transparent: bool = False
    format: PictureFormat | None = None
    fit: bool = False


@dataclass(frozen=True)
class InterruptedRun:
    """A run that was cut off, as far as a journal knew it: where it worked, its start in Unix seconds, its thread.

    Its folder proves which session is its own; without one there is none to be found.
    """

    folder: str | None
    started_at: float | None = None
    thread_id: str | None = None


@dataclass(frozen=True)
class Request:
    """One wish for a picture, as the caller stated it.

    ``prompt`` is sent word for word. ``refs`` are paths (or, on RunComfy, https URLs) in the order given.
    ``out`` is a path, ``"-"`` for stdout, or None for the default name. ``timeout_sec`` holds for the whole run.
    ``skip_existing``: a picture that is there already is left as it is, and is none that has to be made.
    ``request_id`` is a RunComfy request that was submitted before: it is waited for, and nothing else is sent.
    ``earlier`` is the same for Codex: a run that was cut off is waited for, and nothing is started. ``folder`` is the
    private working folder of a run whose caller must know it beforehand (see ``codex.workspace.choose``).
    ``codex_home`` is the absolute path of the Codex home, or None for that of the environment.
    ``within`` and ``refs_within`` are real paths of folders that the pictures and the references must not leave, where
    it is not the user who names them (see ``pictures.bounds``); empty: they may be anywhere.
    """

    prompt: str
    refs: tuple[str, ...] = ()
    out: str | None = None
    timeout_sec: float = DEFAULT_TIMEOUT_SEC
    count: int = 1
    jobs: int | None = None
    force: bool = False
    skip_existing: bool = False
    backend: str = "codex"
    image_options: ImageOptions = field(default_factory=ImageOptions)
    model: str | None = None
    full_turn: bool = False
    codex: str | None = None
    codex_home: str | None = None
    codex_args: tuple[str, ...] = ()
    request_id: str | None = None
    folder: str | None = None
    earlier: InterruptedRun | None = None
    within: tuple[str, ...] = ()
    refs_within: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """Something that who waits would like to know; ``elapsed_sec`` counts from the start of the run.

    ``index`` says which picture of ``--count``, from 0, and ``job`` which line of a batch; None where it concerns all
    of them. ``message`` is for a person. ``request_id`` is RunComfy's.
    """

    stage: Stage
    elapsed_sec: float = 0.0
    index: int | None = 0
    job: int | None = None
    thread_id: str | None = None
    request_id: str | None = None
    path: str | None = None
    message: str | None = None
    warning: Warning_ | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True)
class Run:
    """What one run needs beside its request: when it began, who listens, and who may stop it.

    ``started`` and ``deadline`` are readings of ``time.monotonic()`` in seconds. ``words`` gets Codex's own stderr,
    as bytes, where somebody wants to see it. ``environment`` is what Codex and its home are found in.
    ``closing`` takes what must end with the run and may still go on while its picture is written: Codex shutting down.
    """

    started: float
    deadline: float
    interrupt: Interrupt
    tell: Callable[[Event], None]
    words: Callable[[bytes], None] | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    closing: ExitStack = field(default_factory=ExitStack)
