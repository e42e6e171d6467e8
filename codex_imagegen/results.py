"""What comes out: frozen dataclasses that every room may know, imported when there is something to tell.

Apart from :mod:`codex_imagegen.request`, because eight dataclasses take 4 ms to make, and Codex can start meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from codex_imagegen.request import PictureFormat

SCHEMA = 1


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
class BackendResult:
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


@dataclass(frozen=True)
class Gallery:
    """A gallery page that was made: how many pictures it shows and how many of them are damaged, of how many sessions.

    ``bytes`` is what the page and the files beside it take on disk.
    """

    path: str
    pictures: int
    broken: int
    sessions: int
    bytes: int
    codex_home: str
    elapsed_sec: float = 0.0
    warnings: tuple[Warning_, ...] = ()
