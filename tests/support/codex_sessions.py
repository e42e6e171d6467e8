"""Sessions written by the real Codex: of this program's runs, of the user, and forks of both."""

from __future__ import annotations

import json
import os
import subprocess

from codex_imagegen.codex.appserver.client import AppServer
from codex_imagegen.codex.install import npm
from codex_imagegen.interrupt import Interrupt
from tests.support import builds
from tests.support.history import thread_of
from tests.support.lab import Lab


def generate(world: Lab, *prompts: str) -> list[str]:
    """Run the program once per prompt; return the threads."""
    threads = []
    for number, prompt in enumerate(prompts, 1):
        done = world.call("--prompt", prompt, "--out", f"made-{number}.png", "--force", "--json")
        assert done.code == 0, done
        threads.append(done.json["thread_id"])
    return threads


def run_codex(world: Lab, *arguments: str, folder: str = "users") -> str:
    """Make a session of the user's own, with the bare Codex in a folder of theirs; return its thread."""
    path = world.work / folder
    path.mkdir(exist_ok=True)
    line = [str(builds.codex(world.version)), "exec", "--json", "--skip-git-repo-check", "--enable", "image_generation"]
    done = subprocess.run(
        [*line, *arguments], cwd=path, env=world.environment, input=b"", capture_output=True, timeout=60, check=True
    )
    return str(json.loads(done.stdout.splitlines()[0])["thread_id"])


def fork(world: Lab, thread: str) -> str:
    """Fork a session as the user's own Codex would; return the fork's thread."""
    codex = npm.find_binary(str(builds.codex(world.version)))
    with AppServer(codex, environment=world.environment, interrupt=Interrupt()) as server:
        return str(server.request("thread/fork", {"threadId": thread})["thread"]["id"])


def threads(world: Lab) -> set[str]:
    """The threads that have a rollout."""
    return set(map(thread_of, world.rollouts()))


def threads_with_pictures(world: Lab) -> set[str]:
    """The threads that have a folder of pictures."""
    folder = world.home / "generated_images"
    return set(os.listdir(folder)) if folder.is_dir() else set()
