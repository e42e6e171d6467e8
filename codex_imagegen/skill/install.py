"""Installing the skill, and undoing that: all places are looked at before the first of them is touched."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from codex_imagegen.errors import OutExists
from codex_imagegen.skill import store
from codex_imagegen.skill.agents import Place
from codex_imagegen.skill.text import is_ours, is_unedited, text

_MAX_LINES = 80
"""Lines of a difference that are shown; what would be lost comes first in it."""


Status = Literal["installed", "updated", "unchanged", "removed", "absent"]


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one place."""

    agent: str | None
    path: str
    status: Status


def install(places: Sequence[Place], *, force: bool = False, show: Callable[[str], None]) -> list[Done]:
    """Write the skill into each place; ``show`` gets the lines of what differs where a file is replaced or in the way.

    An older version of ours is replaced. Raises :class:`OutExists` for a file that is not ours or was edited, unless
    ``force`` is on, and :class:`OutUnwritable`.
    """
    new, found = text(), [(place, store.read(place)) for place in places]
    for place, old in found:
        if old is not None and old != new:
            for line in _difference(old, new, store.path(place)):
                show(line)
    for place, old in found:
        if old is not None and old != new and not force:
            _check(place, old, "replaces")
    return [_install(place, old, new) for place, old in found]


def uninstall(places: Sequence[Place], *, force: bool = False) -> list[Done]:
    """Remove the skill from each place, and its folder if that is empty then.

    Raises :class:`OutExists` for a file that is not ours or was edited, unless ``force`` is on, and
    :class:`OutUnwritable`.
    """
    found = [(place, store.read(place)) for place in places]
    for place, old in found:
        if old is not None and not force:
            _check(place, old, "removes")
    return [_uninstall(place, old) for place, old in found]


def _install(place: Place, old: bytes | None, new: bytes) -> Done:
    if old != new:
        store.write(place, new)
    status: Status = "installed" if old is None else "unchanged" if old == new else "updated"
    return Done(place.agent, store.path(place), status)


def _uninstall(place: Place, old: bytes | None) -> Done:
    if old is not None:
        store.remove(place)
    return Done(place.agent, store.path(place), "absent" if old is None else "removed")


def _check(place: Place, old: bytes, does: str) -> None:
    if is_unedited(old):
        return
    why = "was edited since it was installed" if is_ours(old) else "is not from this program"
    raise OutExists(f"{store.path(place)!r} {why}, and was left alone", hint=f"--force {does} it")


def _difference(old: bytes, new: bytes, path: str) -> Iterator[str]:
    before, after = (data.decode(errors="replace").splitlines() for data in (old, new))
    lines = list(difflib.unified_diff(before, after, path, "this version's", lineterm=""))
    yield from lines[:_MAX_LINES]
    if len(lines) > _MAX_LINES:
        yield f"… {len(lines) - _MAX_LINES} more lines"
