"""Where agents look for skills.

From their own documentation, read in November 2026: code.claude.com/docs (skills, env-vars),
developers.openai.com/codex/skills and cursor.com/docs/skills. That Codex 0.169.0 reads ``~/.agents/skills``, wherever
CODEX_HOME points to, was measured with its app-server's ``skills/list``. ``$CODEX_HOME/skills``, which it reads as
well, is deprecated in its source.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from codex_imagegen.errors import UsageError


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
