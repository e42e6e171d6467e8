"""Where recovered pictures go, and how they are written: every name is checked before the first of them is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from codex_imagegen.codex.sessions.history import Past
from codex_imagegen.errors import ImagegenError, UsageError
from codex_imagegen.images import finish, output
from codex_imagegen.recovery.search import Found
from codex_imagegen.request import Wishes
from codex_imagegen.results import Image, Picture

_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where pictures go: ``out`` is a file (or ``"-"``), ``out_dir`` a folder; neither: the working folder.

    Of the ``wishes`` those count that can be met afterwards: to be cropped to a size. ``within`` are the folders that
    the pictures must not leave, if there are any; then the first of them takes the place of the working folder.
    """

    out: str | None = None
    out_dir: str | None = None
    force: bool = False
    wishes: Wishes = field(default_factory=Wishes)
    within: tuple[str, ...] = ()

    def check(self) -> None:
        """Raise :class:`UsageError` for what contradicts itself."""
        if self.out is not None and self.out_dir is not None:
            raise UsageError("--out and --out-dir contradict each other", hint="give one of them")
        if self.wishes.size is not None and not self.wishes.fit:
            raise UsageError("a picture that was made has its size", hint="add --fit to scale and crop it")


def write(found: Found, place: Place, before: int | None = None) -> list[Image]:
    """Write a session's pictures; ``before`` counts those of other sessions, whose row they go on with in ``--out``.

    Every name is checked before the first picture is written.
    """
    try:
        targets = _targets(found, place, before)
        return [_put(picture, target, place.wishes) for picture, target in zip(found.pictures, targets, strict=True)]
    except ImagegenError as error:
        error.spent, error.thread_id, error.codex_version = False, found.past.thread_id, found.codex_version
        raise


def _targets(found: Found, place: Place, before: int | None) -> Sequence[output.Target]:
    count = len(found.pictures)
    if place.out is not None and before is None:
        return output.plan(place.out, count=count, force=place.force, within=place.within)
    if place.out is not None:
        stem, suffix = os.path.splitext(place.out)
        numbers = range((before or 0) + 1, (before or 0) + count + 1)
        return [
            output.plan(f"{stem}-{number}{suffix}", force=place.force, within=place.within)[0] for number in numbers
        ]
    folder = os.path.abspath(os.path.join(*place.within[:1], place.out_dir or os.curdir))
    names = output.numbered_names(os.path.join(folder, _stem(found.past)), count)
    targets = [
        output.Target(name + _SUFFIXES[picture.format], picture.format, place.force, within=place.within)
        for name, picture in zip(names, found.pictures, strict=True)
    ]
    for target in targets:
        output.check(target)
    return targets


def _stem(past: Past) -> str:
    return past.thread_id or os.path.basename(past.path or "picture").split(".")[0]


def _put(picture: Picture, target: output.Target, wishes: Wishes) -> Image:
    finished = finish.finish(picture, target.format, wishes)
    return output.write(finished, target, original=finished is picture)
