"""Homes with a past that is old enough: the installed command is run with its clock put forward."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from typing import Any

from codex_imagegen.codex import native
from codex_imagegen.codex.appserver import AppServer
from codex_imagegen.interrupt import Interrupt
from tests.support import builds, checks
from tests.support.lab import Lab, Outcome

DAY = 86_400
LATER = """
import sys, time
real, shift = time.time, float(sys.argv.pop(1))
time.time = lambda: real() + shift
from codex_imagegen.__main__ import main
main()
"""


def prune_argv(world: Lab, *arguments: str, days: float = 40, codex: bool = True) -> list[str]:
    """The command line of ``prune`` as it will be in so many days."""
    line = [sys.executable, "-c", LATER, str(days * DAY), "prune", *arguments]
    return [*line, "--codex", str(builds.codex(world.version))] if codex else line


def prune(world: Lab, *arguments: str, days: float = 40, codex: bool = True, **more: Any) -> Outcome:
    return world.run_argv(prune_argv(world, *arguments, days=days, codex=codex), **more)


def made(world: Lab, *prompts: str) -> list[str]:
    """A run for each of the prompts; gives back their threads."""
    threads = []
    for number, prompt in enumerate(prompts, 1):
        done = world.run("--prompt", prompt, "--out", f"made-{number}.png", "--force", "--json")
        assert done.code == 0, done
        threads.append(done.json["thread_id"])
    return threads


def users(world: Lab, *arguments: str, name: str = "users") -> str:
    """A session of the user's own, by the bare Codex in a folder of theirs; gives back its thread."""
    folder = world.work / name
    folder.mkdir(exist_ok=True)
    line = [str(builds.codex(world.version)), "exec", "--json", "--skip-git-repo-check", "--enable", "image_generation"]
    done = subprocess.run(
        [*line, *arguments], cwd=folder, env=world.environment, input=b"", capture_output=True, timeout=60, check=True
    )
    return str(json.loads(done.stdout.splitlines()[0])["thread_id"])


def threads(world: Lab) -> set[str]:
    """Those that have a rollout."""
    return {path.stem[-36:] for path in world.rollouts()}


def pictured(world: Lab) -> set[str]:
    """Those that have a folder of pictures."""
    folder = world.home / "generated_images"
    return set(os.listdir(folder)) if folder.is_dir() else set()


def named_in_databases(world: Lab, thread: str) -> list[str]:
    """The tables of Codex's databases in which a thread is still named."""
    found = []
    for path in sorted(world.home.glob("*.sqlite")):
        if path.name.startswith("logs"):
            continue  # a log of what happened, the deletion too
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for (table,) in database.execute("select name from sqlite_master where type = 'table'").fetchall():
                rows = database.execute(f'select * from "{table}"').fetchall()
                found += [f"{path.name} {table}" for row in rows if thread in row]
    return found


def kept(done: Outcome) -> dict[str, int]:
    """How many sessions stay for which reason."""
    return {entry["reason"]: entry["sessions"] for entry in done.json["kept"]}


def fork(world: Lab, thread: str) -> str:
    """Fork a session as the user's own Codex would; gives back the fork's thread."""
    codex = native.binary(str(builds.codex(world.version)))
    with AppServer(codex, environment=world.environment, interrupt=Interrupt()) as server:
        return str(server.ask("thread/fork", {"threadId": thread})["thread"]["id"])


def nobody(_what: str, _number: int) -> None:
    """Hears nothing."""


def kill_at(world: Lab, *, removed: int) -> None:
    """Start a pruning and kill it, with SIGKILL, once so many of the rollouts are gone."""
    before = len(threads(world))
    line = prune_argv(world, "--yes")
    run = subprocess.Popen(
        line, cwd=world.work, env=world.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while run.poll() is None and len(threads(world)) > before - removed:
        pass
    run.kill()
    run.wait(timeout=30)
    checks.until(lambda: not checks.processes(world), "Codex's end")
