"""One picture of the gallery: its metadata, and the names of its files next to the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from codex_imagegen.codex.sessions.reader import MAX_PROMPT_CHARS
from codex_imagegen.request import SUFFIXES

_MAX_NAME = 100
"""Characters of the name of a model or a version."""
_MAX_TIME = 4e9
"""The year 2096 in Unix seconds: later times are wrong."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture. ``damage`` says why a damaged one can't be shown.

    ``digest`` is the beginning of the SHA-256 of its bytes in hex, and begins the names of its files. ``time`` is in
    Unix seconds, ``width`` and ``height`` in pixels, ``bytes`` the size of the original. ``references`` are the digests
    of the references that have a thumbnail, of ``reference_count`` in all. ``saved_path`` is the file that Codex saved.
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
    reference_count: int = 0
    saved_path: str | None = None
    damage: str | None = None

    def full_name(self, *, originals: bool) -> str:
        """The name of the file with the picture in full size: the original or the preview."""
        return self.digest + SUFFIXES.get(self.format or "", "") if originals else f"{self.digest}-preview.webp"

    def file_names(self, *, originals: bool) -> Iterator[str]:
        """The names of all files that the page needs for this picture."""
        yield from map(thumbnail_name, self.references)
        if self.damage is None:
            yield thumbnail_name(self.digest)
            yield self.full_name(originals=originals)

    def to_json(self) -> str:
        """The entry as one line of JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))


def limit_entry(entry: Entry) -> Entry:
    """The entry with texts cut to their maximum length, and with 0 for a missing or impossible time."""
    return replace(
        entry,
        time=entry.time if 0 < entry.time < _MAX_TIME else 0.0,
        revised_prompt=_cut(entry.revised_prompt, MAX_PROMPT_CHARS),
        model=_cut(entry.model, _MAX_NAME),
        codex_version=_cut(entry.codex_version, _MAX_NAME),
    )


def _cut(text: str | None, size: int) -> str | None:
    return text[:size] if text else None


def from_json(text: str) -> Entry:
    """The entry of a line of :meth:`Entry.to_json`; raises ValueError, TypeError or KeyError for any other text."""
    fields = json.loads(text)
    return Entry(**{**fields, "references": tuple(fields["references"])})


def thumbnail_name(digest: str) -> str:
    """The file name of the thumbnail of a picture or a reference."""
    return f"{digest}-thumbnail.webp"
