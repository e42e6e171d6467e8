"""Install the skill into folders of agents, and remove it. Every folder is checked before the first one is changed.

Where agents look for skills comes from their own documentation, read in November 2026: code.claude.com/docs (skills,
env-vars), developers.openai.com/codex/skills and cursor.com/docs/skills. Codex 0.169.0 reads ``~/.agents/skills``,
wherever CODEX_HOME points to (measured with ``skills/list`` of its app-server), and ``$CODEX_HOME/skills``, which is
deprecated in its source.

Files are read and written relative to open folders, each opened without following a link. So a folder that is replaced
by a symbolic link after the check leads nowhere.

SKILL.md has a seal in its front matter: a digest of all the rest. It shows for a copy of any version whether it was
edited, without a list of installed files.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Literal

from codex_imagegen.errors import OutExists, OutUnwritable, UsageError
from codex_imagegen.files import atomic, containment
from codex_imagegen.files.opening import NotRegularFile, open_regular
from codex_imagegen.platform import descriptors

_MAX_LINES = 80
"""Lines of a difference that are shown; what would be lost comes first in it."""

_MAX_BYTES = 1 << 20

Status = Literal["installed", "updated", "unchanged", "removed", "absent"]


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """What was done at one place."""

    agent: str | None
    path: str
    status: Status


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of skills: ``root`` is given by the user, ``below`` the way from there; ``agent`` is whose it is.

    Below ``root``, a symbolic link that leads out of it is not followed.
    """

    root: str
    below: tuple[str, ...] = ()
    agent: str | None = None

    @property
    def folder(self) -> str:
        """The path of the folder that has a folder for each skill."""
        return os.path.join(self.root, *self.below)

    @property
    def file(self) -> str:
        """The path of the skill's file, which need not exist."""
        return os.path.join(self.folder, NAME, FILE)


@dataclass(frozen=True, slots=True)
class _Agent:
    """Folders below the user's home and below a project; ``variable`` names the variable that replaces ``home``."""

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


def user_place(agent: str, environment: Mapping[str, str]) -> Place:
    """The agent's folder for all work of the user."""
    found = _AGENTS[agent]
    root = os.path.join(os.path.expanduser("~"), *found.user) if found.user else _home(found, environment, "skills")
    return Place(root, agent=agent)


def project_place(agent: str, folder: str) -> Place:
    """The agent's folder for one project."""
    return Place(folder, _AGENTS[agent].project, agent)


def folder_place(folder: str) -> Place:
    """A folder that the user names; raises :class:`UsageError` for what can't be one."""
    if not folder or "\0" in folder:
        raise UsageError("--dir is not the name of a folder", hint="give the folder that has a folder for each skill")
    return Place(os.path.abspath(folder))


def find_agents(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The agents that have a folder in the home; not Cursor beside another one, whose skills it reads as well.

    Raises :class:`UsageError` if there is none.
    """
    here = tuple(name for name, agent in _AGENTS.items() if os.path.isdir(_home(agent, environment)))
    if not here:
        raise UsageError("no agent was found in your home", hint="give --agent claude, codex or cursor, or --dir DIR")
    return tuple(name for name in here if name != "cursor" or here == ("cursor",))


def _home(agent: _Agent, environment: Mapping[str, str], *below: str) -> str:
    moved = environment.get(agent.variable, "").strip() if agent.variable else ""
    return os.path.abspath(os.path.join(moved or os.path.join(os.path.expanduser("~"), agent.home), *below))


def install(places: Sequence[Place], *, force: bool = False, show: Callable[[str], None]) -> list[PlaceResult]:
    """Write the skill into each place; ``show`` gets the lines of the difference from an existing file.

    An older version of this program's skill is replaced. Raises :class:`OutExists` for a file that is not from this
    program or was edited, unless ``force`` is on, and :class:`OutUnwritable`.
    """
    new, found = read_text(), [(place, _read(place)) for place in places]
    for place, old in found:
        if old is not None and old != new:
            for line in _difference(old, new, place.file):
                show(line)
    for place, old in found:
        if old is not None and old != new and not force:
            _check_unedited(place, old, "replaces")
    return [_install(place, old, new) for place, old in found]


def uninstall(places: Sequence[Place], *, force: bool = False) -> list[PlaceResult]:
    """Remove the skill from each place, and its folder if that is empty then.

    Raises :class:`OutExists` for a file that is not from this program or was edited, unless ``force`` is on, and
    :class:`OutUnwritable`.
    """
    found = [(place, _read(place)) for place in places]
    for place, old in found:
        if old is not None and not force:
            _check_unedited(place, old, "removes")
    return [_uninstall(place, old) for place, old in found]


def _install(place: Place, old: bytes | None, new: bytes) -> PlaceResult:
    if old != new:
        _write(place, new)
    status: Status = "installed" if old is None else "unchanged" if old == new else "updated"
    return PlaceResult(place.agent, place.file, status)


def _uninstall(place: Place, old: bytes | None) -> PlaceResult:
    if old is not None:
        _remove(place)
    return PlaceResult(place.agent, place.file, "absent" if old is None else "removed")


def _check_unedited(place: Place, old: bytes, does: str) -> None:
    if is_unedited(old):
        return
    why = "was edited since it was installed" if is_ours(old) else "is not from this program"
    raise OutExists(f"{place.file!r} {why}, and was left alone", hint=f"--force {does} it")


def _difference(old: bytes, new: bytes, path: str) -> Iterator[str]:
    before, after = (data.decode(errors="replace").splitlines() for data in (old, new))
    lines = list(difflib.unified_diff(before, after, path, "this version's", lineterm=""))
    yield from lines[:_MAX_LINES]
    if len(lines) > _MAX_LINES:
        yield f"… {len(lines) - _MAX_LINES} more lines"


def _read(place: Place) -> bytes | None:
    """The content of the skill's file, or None where there is none.

    Raises :class:`OutUnwritable` for one that is too large or not a regular file.
    """
    with _explain_errors(place):
        try:
            with (
                _open_skills(place) as skills,
                containment.open_subfolder(NAME, skills) as folder,
                open_regular(FILE, follow=False, at=folder) as file,
            ):
                if os.fstat(file.fileno()).st_size <= _MAX_BYTES:
                    return file.read(_MAX_BYTES)
        except FileNotFoundError:
            return None
        except NotRegularFile:
            pass
        raise OutUnwritable(f"{place.file!r} is not the file of a skill", hint="move it out of the way")


def _write(place: Place, data: bytes) -> None:
    """Write the skill's file atomically; missing folders are made."""
    with _explain_errors(place):
        os.makedirs(place.root, exist_ok=True)
        with _open_skills(place, make=True) as skills, containment.open_subfolder(NAME, skills, make=True) as folder:
            atomic.write_file(FILE, data, folder)


def _remove(place: Place) -> None:
    """Remove the skill's file, and its folder if nothing else is in it."""
    with _explain_errors(place), _open_skills(place) as skills:
        with containment.open_subfolder(NAME, skills) as folder:
            descriptors.remove_file(FILE, at=folder)
        with contextlib.suppress(OSError):
            descriptors.remove_folder(NAME, at=skills)


@contextlib.contextmanager
def _open_skills(place: Place, *, make: bool = False) -> Iterator[int]:
    """A context of the descriptor of the folder of skills; links are followed only inside its root."""
    root, real = os.path.realpath(place.root), os.path.realpath(place.folder)
    if os.path.commonpath((root, real)) != root:
        raise OutUnwritable(
            f"{place.folder!r} leads out of {place.root!r} by a symbolic link", hint="name the folder with --dir"
        )
    with containment.open_below(root, real, make=make) as folder:
        yield folder


@contextlib.contextmanager
def _explain_errors(place: Place) -> Iterator[None]:
    """A context that raises :class:`OutUnwritable` for an OSError, and names a link that is in the way."""
    try:
        yield
    except OSError as error:
        link = next((path for path in (os.path.dirname(place.file), place.file) if os.path.islink(path)), None)
        if link:
            raise OutUnwritable(f"{link!r} is a symbolic link and was left alone", hint="remove it first") from error
        raise OutUnwritable(
            f"{place.file!r} can't be read or changed: {error.strerror or error}", hint="check the folder"
        ) from error


NAME = "codex-imagegen"
"""The name of the skill and of its folder."""

FILE = "SKILL.md"

_SEAL = re.compile(rb'^  seal: "([0-9a-f]*)"$', re.MULTILINE)


def read_text() -> bytes:
    """SKILL.md of this version."""
    return resources.files(__package__).joinpath(NAME, FILE).read_bytes()


def compute_seal(data: bytes) -> str:
    """The seal that a SKILL.md should have: 16 hexadecimal digits of the SHA-256 of all but the seal itself."""
    return hashlib.sha256(_SEAL.sub(b"", data, count=1)).hexdigest()[:16]


def is_ours(data: bytes) -> bool:
    """Whether this is a SKILL.md from this program, edited or not."""
    return f"\nname: {NAME}\n".encode() in data and _SEAL.search(data) is not None


def is_unedited(data: bytes) -> bool:
    """Whether this is an unedited SKILL.md of some version of this program."""
    found = _SEAL.search(data)
    return is_ours(data) and found is not None and found[1].decode() == compute_seal(data)
