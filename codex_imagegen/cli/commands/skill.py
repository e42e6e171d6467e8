"""``codex-imagegen skill``: what an agent has to know to use this program."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.errors import UsageError
from codex_imagegen.skill import install as places

if TYPE_CHECKING:
    from codex_imagegen.skill.install import Done

_json = click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object on stdout, also for a failure.")
_agent = click.option(
    "--agent", type=click.Choice(places.AGENTS), metavar="|".join(places.AGENTS), help="Which agent's folder."
)
_dir = click.option("--dir", "folder", metavar="DIR", help="Another folder of skills.")
_project = click.option("--project", is_flag=True, help="The folder of this project, not of all your work.")


@click.group(
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]…",  # click's own words for it differ between its versions
    context_settings={"help_option_names": ["-h", "--help"]},
)
@_json
@click.pass_context
def command(ctx: click.Context, json_wanted: bool) -> None:
    """Print the skill: what an agent has to know to use this program. It follows the rules of agentskills.io.

    \b
      codex-imagegen skill install --agent claude
      codex-imagegen skill uninstall --agent claude
    """
    ctx.obj = json_wanted
    if ctx.invoked_subcommand is not None:
        return
    from codex_imagegen.skill.text import text

    whole = text().decode()
    console.out(render.answer({"skill": whole}, elapsed_sec=0) if json_wanted else whole.rstrip("\n"))


@command.command()
@_agent
@_dir
@_project
@click.option("--force", is_flag=True, help="Replace a file that was edited, or is not ours.")
@_json
@click.pass_obj
def install(json_before: bool, /, force: bool, json_wanted: bool, **place: Any) -> None:
    """Install the skill, and print where.

    Without --agent or --dir it is installed for every agent that has a home here. A file in its place is replaced if
    it is an older version of ours, and what differs is shown; one that was edited, or is not ours, is left alone.
    """
    from codex_imagegen.skill import install as story

    started = time.monotonic()
    done = story.install(_places(**place), force=force, show=lambda line: console.err(render.visible(line)))
    _tell(done, started, json_wanted or json_before)


@command.command()
@_agent
@_dir
@_project
@click.option("--force", is_flag=True, help="Remove a file that was edited, or is not ours, as well.")
@_json
@click.pass_obj
def uninstall(json_before: bool, /, force: bool, json_wanted: bool, **place: Any) -> None:
    """Undo install, and print what was removed.

    That is the skill's file, and its folder if nothing else is in it. A file that was edited, or is not ours, is left
    alone.
    """
    from codex_imagegen.skill import install as story

    started = time.monotonic()
    done = story.uninstall(_places(**place), force=force)
    for one in done:
        if one.status == "absent":
            console.err(render.plain(f"codex-imagegen: no skill is at {one.path!r}."))
    _tell(done, started, json_wanted or json_before)


def _places(*, agent: str | None, folder: str | None, project: bool) -> Sequence[places.Place]:
    if folder is not None and (agent or project):
        raise UsageError("--dir contradicts --agent and --project", hint="give one of them")
    try:
        if folder is not None:
            return [places.of_folder(folder)]
        agents = [agent] if agent else places.at_home(os.environ)
        return [places.of_project(one, os.getcwd()) if project else places.of_user(one, os.environ) for one in agents]
    except OSError as error:
        raise UsageError(f"there is no working folder: {error.strerror}", hint="change to one that exists") from error


def _tell(done: Sequence[Done], started: float, json_wanted: bool) -> None:
    if json_wanted:
        skills = [asdict(one) for one in done]
        console.out(render.answer({"skills": skills}, elapsed_sec=time.monotonic() - started))
        return
    for one in done:
        if one.status != "absent":
            console.out(console.shown(one.path))
