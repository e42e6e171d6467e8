"""One picture as the gallery knows it: what is said of it, and the names of its files beside the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from codex_imagegen.codex.sessions.reader import MAX_CHARS
from codex_imagegen.request import SUFFIXES

_MAX_NAME = 100
"""Characters of a model's or a version's name."""
_NEVER = 4e9
"""The year 2096, in Unix seconds: no picture is as late."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture, or what is left of one where ``broken`` says why it can't be shown.

    ``digest`` is the beginning of the SHA-256 of its bytes in hex, and the name of its files. ``time`` is in Unix
    seconds, ``width`` and ``height`` in pixels, ``bytes`` the size of the original. ``references`` are the digests of
    the references that have a thumbnail, ``shown`` how many there were. ``file`` is the path at which Codex saved it.
    """

    digest: str
    time: float
    thread_id: str | None
    bytes: int = 0
    width: int = 0
    height: int = 0
    format: str | None = None
    transparent: bool = False
    prompt: str | None = None
    revised_prompt: str | None = None
    model: str | None = None
    codex_version: str | None = None
    references: tuple[str, ...] = ()
    shown: int = 0
    file: str | None = None
    broken: str | None = None

    def full(self, *, originals: bool) -> str:
        """The name of the picture in its full size."""
        return self.digest + SUFFIXES.get(self.format or "", "") if originals else f"{self.digest}-preview.webp"

    def files(self, *, originals: bool) -> Iterator[str]:
        """The name of every file that the page needs for it."""
        yield from map(thumbnail, self.references)
        if self.broken is None:
            yield thumbnail(self.digest)
            yield self.full(originals=originals)

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self), separators=(",", ":"))


def bounded(entry: Entry) -> Entry:
    """The same with texts of bounded length, and a time that a calendar can hold; one that nobody knows is 0."""
    return replace(
        entry,
        time=entry.time if 0 < entry.time < _NEVER else 0.0,
        revised_prompt=_clipped(entry.revised_prompt, MAX_CHARS),
        model=_clipped(entry.model, _MAX_NAME),
        codex_version=_clipped(entry.codex_version, _MAX_NAME),
    )


def _clipped(text: str | None, size: int) -> str | None:
    return text[:size] if text else None


def from_json(text: str) -> Entry:
    """The entry of such a line; raises ValueError and TypeError for any other."""
    fields = json.loads(text)
    return Entry(**{**fields, "references": tuple(fields["references"])})


def thumbnail(digest: str) -> str:
    """The name of the thumbnail of a picture or a reference."""
    return f"{digest}-thumbnail.webp"
