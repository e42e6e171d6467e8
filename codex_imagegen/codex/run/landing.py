"""What has landed of a run: every candidate decoded whole before it counts, and one of them chosen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from codex_imagegen.codex.sessions import fallback
from codex_imagegen.images import decode
from codex_imagegen.images.structure import is_structurally_whole
from codex_imagegen.results import Picture

if TYPE_CHECKING:
    from codex_imagegen.codex.run.resume import Before


class Landing:
    """The pictures so far. With ``full_turn`` the largest wins, else the first; ``known``: the references' bytes.

    ``before`` is what Codex had saved for the thread already, where this run goes on with one.
    """

    def __init__(self, *, full_turn: bool, known: Sequence[bytes] = (), before: Before | None = None) -> None:
        self.damaged: str | None = None
        self.full_turn, self._known, self._before = full_turn, known, before
        self._pictures: list[Picture] = []

    @property
    def enough(self) -> bool:
        """Whether Codex has done what it was started for."""
        return bool(self._pictures) and not self.full_turn

    @property
    def chosen(self) -> Picture | None:
        """The picture that is delivered, if one has landed."""
        return _largest(self._pictures) if self.full_turn else next(iter(self._pictures), None)

    def is_whole(self, data: bytes) -> bool:
        """Whether a picture that is none of the references has all its parts, which takes some milliseconds to know."""
        return data not in self._known and is_structurally_whole(data)

    def add(self, data: bytes, revised_prompt: str | None = None) -> Picture | None:
        """Take a picture that a record says was made, if it decodes whole and is none of the references."""
        picture = None if data in self._known else self._verified(data, revised_prompt)
        if picture is not None:
            self._pictures.append(picture)
        return picture

    def saved(self, folder: str, revised_prompt: str | None = None) -> Picture | None:
        """Take what Codex saved in the thread's own folder: the fallback where a record holds no picture."""
        new = fallback.saved(folder, self._before.has_not if self._before else None)
        whole = (picture for data in new if (picture := self._verified(data, revised_prompt)))
        picture = _largest(whole) if self.full_turn else next(whole, None)
        if picture is not None:
            self._pictures.append(picture)
        return picture

    def stray(self, path: str, offset: int) -> Picture | None:
        """The safety net: the largest picture in records of unknown shapes that is none of the references."""
        strays = (data for data in fallback.strays(path, offset) if data not in self._known)
        return _largest(picture for data in strays if (picture := self._verified(data)))

    def _verified(self, data: bytes, revised_prompt: str | None = None) -> Picture | None:
        try:
            return decode.verify(data, revised_prompt=revised_prompt)
        except decode.Broken as error:
            self.damaged = str(error)
            return None


def _largest(pictures: Iterable[Picture]) -> Picture | None:
    return max(pictures, key=lambda picture: len(picture.data), default=None)
