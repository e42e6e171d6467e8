"""``codex-imagegen skill``: print or install the instructions for agents."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.options import Group, Option
from codex_imagegen.errors import UsageError
from codex_imagegen.skill import install as skill_files

if TYPE_CHECKING:
    from codex_imagegen.skill.install import PlaceResult

_json = click.option("--json", "json_wanted", is_flag=True, help="One JSON object on stdout, also for a failure.")
_agent = click.option(
    "--agent",
    type=click.Choice(skill_files.AGENTS),
    metavar="|".join(skill_files.AGENTS),
    help="The agent whose folder is used.",
)
_dir = click.option("--dir", "folder", cls=Option, metavar="DIR", help="Another folder of skills.")
_project = click.option("--project", is_flag=True, help="The folder of this project, not of your home.")


@click.group(
    cls=Group,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]…",  # click's default differs between its versions
)
@_json
@click.pass_context
def command(ctx: click.Context, json_wanted: bool) -> None:
    """Print the skill: instructions with which an agent can use this program, in the format of agentskills.io.

    \b
      codex-imagegen skill install --agent claude
      codex-imagegen skill uninstall --agent claude
    """
    ctx.obj = json_wanted
    if ctx.invoked_subcommand is not None:
        return
    from codex_imagegen.skill.install import read_text

    skill = read_text().decode()
    console.out(render.envelope_json({"skill": skill}, elapsed_sec=0) if json_wanted else skill.rstrip("\n"))


@command.command()
@_agent
@_dir
@_project
@click.option("--force", is_flag=True, help="Replace the file even if it was edited.")
@_json
@click.pass_obj
def install(json_of_group: bool, /, force: bool, json_wanted: bool, **target: Any) -> None:
    """Install the skill, and print its paths.

    Without --agent or --dir it is installed for every agent that has a home here. An older version of this skill is
    replaced, and the differences are shown. Without --force, a file that was edited, or is not this skill, is
    kept.
    """
    started = time.monotonic()
    done = skill_files.install(_places(**target), force=force, show=lambda line: console.err(render.printable(line)))
    _print(done, started, json_wanted or json_of_group)


@command.command()
@_agent
@_dir
@_project
@click.option("--force", is_flag=True, help="Remove the file even if it was edited.")
@_json
@click.pass_obj
def uninstall(json_of_group: bool, /, force: bool, json_wanted: bool, **target: Any) -> None:
    """Remove the skill, and print the removed paths.

    Removes the skill's file, and its folder if it is empty then. Without --force, a file that was edited, or is not
    this skill, is kept.
    """
    started = time.monotonic()
    done = skill_files.uninstall(_places(**target), force=force)
    for place in done:
        if place.status == "absent":
            console.say(f"there is no skill at {place.path!r}.")
    _print(done, started, json_wanted or json_of_group)


def _places(*, agent: str | None, folder: str | None, project: bool) -> Sequence[skill_files.Place]:
    if folder is not None and (agent or project):
        raise UsageError("--dir contradicts --agent and --project", hint="give one of them")
    try:
        if folder is not None:
            return [skill_files.folder_place(folder)]
        agents = [agent] if agent else skill_files.find_agents(os.environ)
        return [
            skill_files.project_place(name, os.getcwd()) if project else skill_files.user_place(name, os.environ)
            for name in agents
        ]
    except OSError as error:
        raise UsageError(f"there is no working folder: {error.strerror}", hint="change to one that exists") from error


def _print(done: Sequence[PlaceResult], started: float, json_wanted: bool) -> None:
    if json_wanted:
        skills = [asdict(place) for place in done]
        console.out(render.envelope_json({"skills": skills}, elapsed_sec=time.monotonic() - started))
        return
    for place in done:
        if place.status != "absent":
            console.out(console.printable(place.path))
