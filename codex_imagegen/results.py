"""Results, images, failures and sessions: frozen dataclasses that every package may import.

They are apart from :mod:`codex_imagegen.request`, to be imported while Codex starts: nine dataclasses take 4 ms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from codex_imagegen.request import PictureFormat

SCHEMA = 1


@dataclass(frozen=True)
class Warning_:  # noqa: N801 - Warning is a builtin with another meaning
    """A warning for the caller; ``code`` is stable."""

    code: str
    message: str


@dataclass(frozen=True)
class Picture:
    """A picture that a backend delivered and that was decoded completely once.

    ``width`` and ``height`` are in pixels. ``revised_prompt`` is the prompt that the image model says it used.
    """

    data: bytes
    format: PictureFormat
    width: int
    height: int
    revised_prompt: str | None = None


@dataclass(frozen=True)
class ReferenceData:
    """A reference that is given as bytes: a picture from stdin, or the last one. ``name`` is for messages."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class LastPicture:
    """The picture that ``--last`` stands for; the fields are the JSON's keys. ``bytes`` is its size."""

    thread_id: str | None
    width: int
    height: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class BackendResult:
    """A backend's picture, its source, and its cost in US dollars where the backend reports one."""

    picture: Picture
    thread_id: str | None = None
    codex_version: str | None = None
    warnings: tuple[Warning_, ...] = ()
    cost_usd: float | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Image:
    """One picture on disk. ``bytes`` is its size; ``original`` is False where it was re-encoded.

    ``replaced``: another file of that name was replaced, with ``force``.
    """

    path: str
    format: str
    width: int
    height: int
    bytes: int
    sha256: str
    original: bool = True
    revised_prompt: str | None = None
    replaced: bool = False


@dataclass(frozen=True)
class PlannedReference:
    """A reference as a run would send it; ``path`` as it was given.

    ``copy``: not the file itself, but a smaller or converted copy. All others are None for an address, which RunComfy
    fetches itself.
    """

    path: str
    format: str | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    copy: bool | None = None


PlannedAction = Literal["make", "replace", "skip", "fetch"]
"""``replace``: make it, and replace the file at its path; ``skip``: it exists; ``fetch``: a run that was cut off may
have made it, and only if not, it is made."""


@dataclass(frozen=True)
class PlannedImage:
    """A picture that a run would make, and what it would send for it.

    ``path`` is None with ``--no-wait``, ``format`` is None for the picture's own. ``model`` is None for the backend's
    own. ``codex`` is the program that would be started, and ``instructions`` all that its model is told beside the
    prompt. ``options`` is the part of it about this picture: a sentence, or for RunComfy names and values.
    """

    path: str | None = None
    action: PlannedAction = "make"
    format: str | None = None
    references: tuple[PlannedReference, ...] = ()
    codex: str | None = None
    model: str | None = None
    options: str | None = None
    instructions: str | None = None


@dataclass(frozen=True)
class ErrorInfo:
    """An error as data; the fields are the JSON's keys."""

    code: str
    exit_code: int
    message: str
    hint: str | None = None
    spent: bool | None = False
    resets_at: int | None = None


@dataclass(frozen=True)
class Failure:
    """The failure of one picture of several; ``index`` counts from 0."""

    index: int
    error: ErrorInfo


@dataclass(frozen=True)
class Result:
    """The result of a request; the fields are the keys of the JSON envelope.

    ``last`` is the picture that ``--last`` stood for, and None without that option.
    """

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
    dry_run: bool = False
    planned: tuple[PlannedImage, ...] = ()
    last: LastPicture | None = None

    @property
    def path(self) -> Path | None:
        """The first picture's path, for the common case of one."""
        from pathlib import Path

        return Path(self.images[0].path) if self.images else None


@dataclass(frozen=True)
class Session:
    """A past session that holds pictures: ``time`` in Unix seconds, ``pictures`` their number, ``bytes`` their sum.

    ``prompt`` is the beginning of the first prompt. ``session`` is the path of the rollout, or of the folder of
    pictures where no rollout exists any more.
    """

    thread_id: str | None
    time: float
    prompt: str | None
    pictures: int
    bytes: int
    session: str


@dataclass(frozen=True)
class Gallery:
    """A gallery page: the numbers of its pictures, of the damaged ones (``broken``) and of their sessions.

    ``bytes`` is the size of the page and its files on disk.
    """

    path: str
    pictures: int
    broken: int
    sessions: int
    bytes: int
    codex_home: str
    elapsed_sec: float = 0.0
    warnings: tuple[Warning_, ...] = ()
