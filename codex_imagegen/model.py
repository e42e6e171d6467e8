"""What goes in, what comes out, and what is told on the way: frozen dataclasses that every room may know."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from codex_imagegen.interrupt import Interrupt

SCHEMA = 1
DEFAULT_TIMEOUT_SEC = 300.0
STDOUT = "-"

PictureFormat = Literal["png", "jpeg", "webp"]
Stage = Literal["starting", "thinking", "drawing", "landed", "queued"]


@dataclass(frozen=True)
class Wishes:
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
class Earlier:
    """A run that was cut off, as far as a journal knew it: where it worked, its start in Unix seconds, its thread."""

    folder: str
    started_at: float
    thread_id: str | None = None


@dataclass(frozen=True)
class Request:
    """One wish for a picture, as the caller stated it.

    ``prompt`` is sent word for word. ``refs`` are paths (or, on RunComfy, https URLs) in the order given.
    ``out`` is a path, ``"-"`` for stdout, or None for the default name. ``timeout_sec`` holds for the whole run.
    ``request_id`` is a RunComfy request that was submitted before: it is waited for, and nothing else is sent.
    ``earlier`` is the same for Codex: a run that was cut off is waited for, and nothing is started. ``folder`` is the
    private working folder of a run whose caller must know it beforehand (see ``codex.workspace.choose``).
    """

    prompt: str
    refs: tuple[str, ...] = ()
    out: str | None = None
    timeout_sec: float = DEFAULT_TIMEOUT_SEC
    count: int = 1
    jobs: int | None = None
    force: bool = False
    backend: str = "codex"
    wishes: Wishes = field(default_factory=Wishes)
    model: str | None = None
    full_turn: bool = False
    codex: str | None = None
    codex_args: tuple[str, ...] = ()
    request_id: str | None = None
    folder: str | None = None
    earlier: Earlier | None = None


@dataclass(frozen=True)
class Event:
    """Something that a person who waits would like to know; ``elapsed_sec`` counts from the start of the run."""

    stage: Stage
    elapsed_sec: float = 0.0
    detail: str | None = None
    thread_id: str | None = None


@dataclass(frozen=True)
class Warning_:  # noqa: N801 - Warning is a builtin with another meaning
    """Something that is not a failure and that the caller should know; ``code`` is stable."""

    code: str
    message: str


@dataclass(frozen=True)
class Picture:
    """The bytes that a backend delivered, decoded whole once, and what is known of them.

    ``width`` and ``height`` are in pixels. ``revised_prompt`` is what the picture's model says it drew from.
    """

    data: bytes
    format: PictureFormat
    width: int
    height: int
    revised_prompt: str | None = None


@dataclass(frozen=True)
class Made:
    """What a backend gives back: the picture, where it came from, and its cost in US dollars where that was told."""

    picture: Picture
    thread_id: str | None = None
    codex_version: str | None = None
    warnings: tuple[Warning_, ...] = ()
    cost_usd: float | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Image:
    """One picture on disk. ``bytes`` is its size; ``original`` is False where it was re-encoded."""

    path: str
    format: str
    width: int
    height: int
    bytes: int
    sha256: str
    original: bool = True
    revised_prompt: str | None = None


@dataclass(frozen=True)
class ErrorInfo:
    """An error as data: the same words that the JSON has."""

    code: str
    exit_code: int
    message: str
    hint: str | None = None
    spent: bool | None = False
    resets_at: int | None = None


@dataclass(frozen=True)
class Failure:
    """One picture of several that did not come; ``index`` counts from 0."""

    index: int
    error: ErrorInfo


@dataclass(frozen=True)
class Result:
    """What became of a request: the names are those of the JSON envelope."""

    ok: bool
    backend: str
    images: tuple[Image, ...] = ()
    failures: tuple[Failure, ...] = ()
    error: ErrorInfo | None = None
    thread_id: str | None = None
    codex_version: str | None = None
    elapsed_sec: float = 0.0
    warnings: tuple[Warning_, ...] = ()
    schema: int = SCHEMA
    cost_usd: float | None = None
    request_id: str | None = None

    @property
    def path(self) -> Path | None:
        """The first picture's path, for the common case of one."""
        from pathlib import Path

        return Path(self.images[0].path) if self.images else None


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


@dataclass(frozen=True)
class Session:
    """A past session that holds pictures: ``time`` in Unix seconds, ``pictures`` their number, ``bytes`` their sum.

    ``prompt`` is the beginning of what was asked first. ``path`` is the rollout, or the folder of pictures where that
    is all that is left.
    """

    thread_id: str | None
    time: float
    prompt: str | None
    pictures: int
    bytes: int
    path: str
