"""Installing the skill, and undoing that: all places are looked at before the first of them is touched.

Where agents look for skills.

From their own documentation, read in November 2026: code.claude.com/docs (skills, env-vars),
developers.openai.com/codex/skills and cursor.com/docs/skills. That Codex 0.169.0 reads ``~/.agents/skills``, wherever
CODEX_HOME points to, was measured with its app-server's ``skills/list``. ``$CODEX_HOME/skills``, which it reads as
well, is deprecated in its source.

A folder of skills on disk: what is there under our name, a write that is whole or not there at all, a removal.

Everything is done relative to open folders, each of them opened without following a link: a folder that is swapped for
a symbolic link between our look and our write leads nowhere.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from codex_imagegen.errors import OutExists, OutUnwritable, UsageError
from codex_imagegen.files import atomic
from codex_imagegen.files.reading import NotRegularFile, open_regular
from codex_imagegen.platform import opening
from codex_imagegen.skill.text import FILE, NAME, is_ours, is_unedited, text

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
    new, found = text(), [(place, read(place)) for place in places]
    for place, old in found:
        if old is not None and old != new:
            for line in _difference(old, new, path(place)):
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
    found = [(place, read(place)) for place in places]
    for place, old in found:
        if old is not None and not force:
            _check(place, old, "removes")
    return [_uninstall(place, old) for place, old in found]


def _install(place: Place, old: bytes | None, new: bytes) -> Done:
    if old != new:
        write(place, new)
    status: Status = "installed" if old is None else "unchanged" if old == new else "updated"
    return Done(place.agent, path(place), status)


def _uninstall(place: Place, old: bytes | None) -> Done:
    if old is not None:
        remove(place)
    return Done(place.agent, path(place), "absent" if old is None else "removed")


def _check(place: Place, old: bytes, does: str) -> None:
    if is_unedited(old):
        return
    why = "was edited since it was installed" if is_ours(old) else "is not from this program"
    raise OutExists(f"{path(place)!r} {why}, and was left alone", hint=f"--force {does} it")


def _difference(old: bytes, new: bytes, path: str) -> Iterator[str]:
    before, after = (data.decode(errors="replace").splitlines() for data in (old, new))
    lines = list(difflib.unified_diff(before, after, path, "this version's", lineterm=""))
    yield from lines[:_MAX_LINES]
    if len(lines) > _MAX_LINES:
        yield f"… {len(lines) - _MAX_LINES} more lines"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of skills: ``root`` is what the user asked for, ``below`` the way from there; ``agent`` whose it is.

    Below ``root`` no symbolic link is followed that leads out of it.
    """

    root: str
    below: tuple[str, ...] = ()
    agent: str | None = None

    @property
    def folder(self) -> str:
        """The path of the folder that has a folder for each skill."""
        return os.path.join(self.root, *self.below)


@dataclass(frozen=True, slots=True)
class _Agent:
    """Names below the user's home and below a project; ``variable`` moves ``home``, which has ``user`` in it or not."""

    home: str
    variable: str | None
    user: tuple[str, ...] | None
    """The user's skills, where they are not ``skills`` in ``home``."""
    project: tuple[str, ...]


_AGENTS = {
    "claude": _Agent(".claude", "CLAUDE_CONFIG_DIR", None, (".claude", "skills")),
    "codex": _Agent(".codex", "CODEX_HOME", (".agents", "skills"), (".agents", "skills")),
    "cursor": _Agent(".cursor", None, None, (".cursor", "skills")),
}
AGENTS = tuple(_AGENTS)


def of_user(agent: str, environment: Mapping[str, str]) -> Place:
    """The agent's folder for all of the user's work."""
    known = _AGENTS[agent]
    root = os.path.join(os.path.expanduser("~"), *known.user) if known.user else _home(known, environment, "skills")
    return Place(root, agent=agent)


def of_project(agent: str, folder: str) -> Place:
    """The agent's folder for one project alone."""
    return Place(folder, _AGENTS[agent].project, agent)


def of_folder(folder: str) -> Place:
    """A folder that the user names; raises :class:`UsageError` for what can't be one."""
    if not folder or "\0" in folder:
        raise UsageError("--dir is no folder's name", hint="give the folder that has a folder for each skill")
    return Place(os.path.abspath(folder))


def at_home(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The agents that have a home here; not Cursor beside another one, whose skills it reads as well.

    Raises :class:`UsageError` if there is none.
    """
    here = tuple(name for name, agent in _AGENTS.items() if os.path.isdir(_home(agent, environment)))
    if not here:
        raise UsageError("no agent was found in your home", hint="say --agent claude, codex or cursor, or --dir DIR")
    return tuple(name for name in here if name != "cursor" or here == ("cursor",))


def _home(agent: _Agent, environment: Mapping[str, str], *below: str) -> str:
    moved = environment.get(agent.variable, "").strip() if agent.variable else ""
    return os.path.abspath(os.path.join(moved or os.path.join(os.path.expanduser("~"), agent.home), *below))


_MAX_BYTES = 1 << 20


def path(place: Place) -> str:
    """Where the skill's file is, or would be."""
    return os.path.join(place.folder, NAME, FILE)


def read(place: Place) -> bytes | None:
    """What is there, or None; raises :class:`OutUnwritable` for what is no file of a sensible size."""
    with _trouble(place):
        try:
            with _skills(place) as skills, _folder(NAME, skills) as folder:
                return _content(place, folder)
        except FileNotFoundError:
            return None


def write(place: Place, data: bytes) -> None:
    """Put the file there, in the place of what is there; missing folders are made."""
    with _trouble(place):
        os.makedirs(place.root, exist_ok=True)
        with _skills(place, make=True) as skills, _folder(NAME, skills, make=True) as folder:
            atomic.write_file(FILE, data, folder)


def remove(place: Place) -> None:
    """Take the file away, and its folder if nothing else is in it."""
    with _trouble(place), _skills(place) as skills:
        with _folder(NAME, skills) as folder:
            opening.remove_file(FILE, at=folder)
        with contextlib.suppress(OSError):
            opening.remove_folder(NAME, at=skills)


@contextlib.contextmanager
def _skills(place: Place, *, make: bool = False) -> Iterator[int]:
    """The folder of skills, open; on the way there from its root, links are followed inside the root alone."""
    root, real = os.path.realpath(place.root), os.path.realpath(place.folder)
    if os.path.commonpath((root, real)) != root:
        raise OutUnwritable(
            f"{place.folder!r} leads out of {place.root!r} by a symbolic link", hint="say with --dir where you want it"
        )
    with contextlib.ExitStack() as stack:
        folder = opening.open_folder(root)
        stack.callback(os.close, folder)
        for name in os.path.relpath(real, root).split(os.sep):
            folder = stack.enter_context(_folder(name, folder, make=make))
        yield folder


@contextlib.contextmanager
def _folder(name: str, above: int, *, make: bool = False) -> Iterator[int]:
    if make:
        with contextlib.suppress(FileExistsError):
            opening.make_folder(name, at=above)
    folder = opening.open_folder(name, at=above)
    try:
        yield folder
    finally:
        os.close(folder)


def _content(place: Place, folder: int) -> bytes:
    try:
        with open_regular(FILE, follow=False, at=folder) as file:
            if os.fstat(file.fileno()).st_size <= _MAX_BYTES:
                return file.read(_MAX_BYTES)
    except NotRegularFile:
        pass
    raise OutUnwritable(f"{path(place)!r} is no skill's file", hint="move it out of the way")


@contextlib.contextmanager
def _trouble(place: Place) -> Iterator[None]:
    """A context that tells an OSError as what it means: a link in the way, or a file that can't be changed."""
    try:
        yield
    except OSError as error:
        linked = next((one for one in (os.path.dirname(path(place)), path(place)) if os.path.islink(one)), None)
        if linked:
            raise OutUnwritable(
                f"{linked!r} is a symbolic link and was left alone", hint="remove it first, or leave it to what made it"
            ) from error
        raise OutUnwritable(
            f"{path(place)!r} can't be read or changed: {error.strerror or error}", hint="check the folder"
        ) from error
