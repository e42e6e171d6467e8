"""Requests, runs and events: frozen dataclasses that every package may import."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from codex_imagegen.platform import system

if TYPE_CHECKING:
    from codex_imagegen.interrupt import Interrupt
    from codex_imagegen.results import ErrorInfo, LastPicture, ReferenceData, Warning_

DEFAULT_TIMEOUT_SEC = 300.0
STDOUT = "-"

PictureFormat = Literal["png", "jpeg", "webp"]
FORMATS: dict[str, PictureFormat] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
"""Formats by the names that ``--format`` takes. With a dot before it, each name is also a file name's suffix."""
SUFFIXES: dict[str, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
"""The suffix for each format in file names that this program chooses."""
Stage = Literal[
    "started", "thread", "queued", "drawing", "received", "written", "failed", "warning", "message", "done", "error"
]
"""The stage of a run that an event reports.

``started``: Codex runs, or RunComfy has accepted the request; ``thread``: the thread's id is known; ``queued``: the
request waits at RunComfy; ``drawing``: the image tool was called; ``received``: the record of a picture exists;
``written``: the picture is at ``path``; ``failed``: one of several failed. The others appear with ``--events`` only:
``warning``, ``message`` (Codex's own stderr with ``--verbose``, a sentence for a person), and as the last line of every
run either ``done`` or ``error``.
"""


def is_stdout(out: str | None) -> bool:
    """Whether an output is standard output, by any of its names."""
    return out == STDOUT or out in system.STDOUT_FILES


def format_of(path: str) -> PictureFormat | None:
    """The format that a file name's suffix stands for, or None."""
    return FORMATS.get(os.path.splitext(path)[1].lower().removeprefix("."))


@dataclass(frozen=True)
class ImageOptions:
    """How the picture should look, beside the prompt; None means not requested.

    ``size`` is (width, height) in pixels. If a backend can't guarantee an option, it requests it, and the
    picture is compared with the request.
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
    """A run that was cut off, as the journal knows it: its working folder, its start in Unix seconds, its thread.

    The folder identifies the run's session; without it no session can be found.
    """

    folder: str | None
    started_at: float | None = None
    thread_id: str | None = None


@dataclass(frozen=True)
class Request:
    """A request for one picture or several, as the caller stated it.

    ``prompt`` is sent word for word. ``refs`` are paths (or, on RunComfy, https URLs) in the order given, or pictures
    as bytes; ``last_picture`` describes the first of them if it is the one made last (see
    :func:`codex_imagegen.recovery.search.add_last_picture`), and None else.
    ``out`` is a path, ``"-"`` for stdout, or a folder, or None for the working folder, in which the name is made of the
    prompt. ``timeout_sec`` holds for the whole run.
    ``skip_existing`` keeps pictures that exist and makes only the others. ``request_id`` is a RunComfy request that was
    submitted before: the run waits for it and sends nothing. ``earlier`` is a Codex run that was cut off: the run waits
    for it and starts nothing. ``folder`` is the private working folder, for a caller that must know it beforehand (see
    ``codex.run.workspace.choose_path``). ``codex_home`` is the absolute path of the Codex home, or None for the
    environment's. ``within`` and ``refs_within`` are real paths of the folders that pictures and references must lie
    in, for paths that the user did not name (see ``files.containment``); empty: they may be anywhere.
    """

    prompt: str
    refs: tuple[str | ReferenceData, ...] = ()
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
    last_picture: LastPicture | None = None


@dataclass(frozen=True)
class Event:
    """A step in the progress of a run; ``elapsed_sec`` counts from the start of the run.

    ``index`` is the number of the picture of ``--count``, from 0, and ``job`` the line of a batch; None for an event of
    all of them. ``message`` is for a person. ``request_id`` is RunComfy's.
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
    """The context of one run: its times, its callbacks, its interrupt.

    ``started`` and ``deadline`` are readings of ``time.monotonic()`` in seconds. ``on_event`` is called with each
    event, ``on_stderr`` with Codex's own stderr as bytes. ``environment`` has the variables that locate Codex and its
    home.
    ``closing`` holds what must end with the run but may go on while its picture is written: Codex's shutdown.
    """

    started: float
    deadline: float
    interrupt: Interrupt
    on_event: Callable[[Event], None]
    on_stderr: Callable[[bytes], None] | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    closing: ExitStack = field(default_factory=ExitStack)
