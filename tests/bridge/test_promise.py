"""The promise about the user's data, watched: every file that our process opens, every connection, Codex's environment.

The watched command is the installed one's own entry point, run under an audit hook.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from tests.support import builds, checks, scripts
from tests.support.checks import ENDS, Small, made
from tests.support.lab import COMMAND
from tests.support.pictures import encoded

pytestmark = pytest.mark.real
ANOTHER = "01a1fbfb-2fd1-76d1-8710-f49d1e09e2bc"
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]
WATCHED = """
import builtins, io, json, os, sys
told = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND)

def tell(event, *values):
    words = [os.fsdecode(value) if isinstance(value, (str, bytes)) else repr(value) for value in values]
    os.write(told, json.dumps([event, *words]).encode() + b"\\n")

def hook(event, values):
    if event in {"open", "os.listdir", "os.scandir"}:
        if isinstance(values[0], int):
            return  # a descriptor: its file was told when it was opened
        writes = event == "open" and values[2] & (os.O_WRONLY | os.O_RDWR)
        tell("write" if writes else "read" if event == "open" else "list", os.path.abspath(values[0] or "."))
    elif event.startswith(("os.", "shutil.", "socket.")) or event in {"subprocess.Popen", "urllib.Request"}:
        tell(event, *values)

class Counted(io.FileIO):
    def readinto(self, buffer):
        size = super().readinto(buffer)
        tell("bytes", self.name, size)
        return size

def counting(file, mode="r", *rest, **more):
    if mode == "rb" and isinstance(file, str) and not rest and not more:
        return io.BufferedReader(Counted(file))
    return real(file, mode, *rest, **more)

import codex_imagegen.__main__
real, builtins.open = builtins.open, counting
sys.addaudithook(hook)
codex_imagegen.__main__.main()
"""


class Watched:
    """What a watched run did, event by event."""

    def __init__(self, world, argv):
        script, told = world.tmp / "watched.py", world.tmp / "told"
        script.write_text(WATCHED)
        told.touch()
        self.world = world
        self.done = world.run_argv([sys.executable, str(script), str(told), *argv[1:]])
        self.events = [json.loads(line) for line in told.read_text().splitlines()]

    def paths(self, kind, folder):
        """The paths below a folder, relative to it, to which this was done."""
        paths = {os.path.realpath(event[1]) for event in self.events if event[0] == kind}
        return {os.path.relpath(path, folder) for path in paths if Path(path).is_relative_to(folder)}

    def bytes_of(self, path):
        return sum(int(event[2]) for event in self.events if event[0] == "bytes" and event[1] == str(path))

    def assert_kept(self, *, read=()):
        """Read at most the config and what is named here; listed at most day folders; written nothing at home."""
        home = self.world.home
        assert self.paths("read", home) <= {"config.toml", *read}
        assert all(path.startswith("sessions/") and path.count("/") == 3 for path in self.paths("list", home))
        assert self.paths("write", home) == set()
        changed = [event for event in self.events if event[0].startswith(("os.", "shutil."))]
        assert [event for event in changed if str(home) in json.dumps(event)] == []
        assert [event for event in self.events if event[0].startswith(("socket.", "urllib."))] == []
        written = {Path(os.path.realpath(event[1])) for event in self.events if event[0] == "write"}
        written = {path for path in written if path.parent.name != "__pycache__"}  # Python's own, of our modules
        ours = [self.world.tmp, self.world.work, Path("/dev/null")]
        assert [path for path in written if not any(path.is_relative_to(folder) for folder in ours)] == []


@ENDS
def test_a_run_reads_its_own_rollout_and_the_names_of_the_servers(lab, version):
    world = lab(version, script=Small())
    old = world.home / "sessions" / "2020" / "01" / "01"
    old.mkdir(parents=True)
    (old / f"rollout-2020-01-01T00-00-00-{ANOTHER}.jsonl").write_text("{}\n")
    watched = Watched(world, world.argv(*FOX))
    assert watched.done.json["ok"]
    (own,) = [path for path in world.rollouts() if "2020" not in path.name]
    watched.assert_kept(read=[str(own.relative_to(world.home))])
    assert watched.paths("read", world.home) == {"config.toml", str(own.relative_to(world.home))}


@ENDS
def test_a_run_that_fails_reads_no_more(lab, version):
    world = lab(version, script=scripts.Refuses())
    watched = Watched(world, world.argv(*FOX))
    answer = watched.done.json
    assert answer["error"]["code"] == "refused"
    (own,) = world.rollouts()
    pictures = watched.paths("list", world.home / "generated_images")
    assert pictures <= {answer["thread_id"]}  # the last place in which a picture could be
    watched.events = [event for event in watched.events if "generated_images" not in json.dumps(event)]
    watched.assert_kept(read=[str(own.relative_to(world.home))])


@ENDS
def test_of_another_runs_rollout_no_more_than_the_first_record_is_read(lab, version):
    """The thread's id is kept from us, and Codex is late: each new rollout must be asked whose it is."""
    world = lab(version, script=Small())
    foreign = json.dumps({"type": "session_meta", "payload": {"id": ANOTHER, "cwd": "/elsewhere", "x": "y" * 20_000}})
    picture = json.dumps({"type": "response_item", "payload": {"result": encoded(300).hex()}})
    prepared = world.tmp / "foreign.jsonl"
    prepared.write_text(f"{foreign}\n{picture}\n" * 3)
    day = f'"{world.home}/sessions/$(date +%Y/%m/%d)"'
    codex = world.tmp / "codex"
    lines = [f"mkdir -p {day}", f'cp "{prepared}" {day}/rollout-2026-01-01T00-00-00-{ANOTHER}.jsonl', "sleep 2.5"]
    codex.write_text("\n".join(["#!/bin/sh", *lines, f'exec "{builds.codex(version)}" "$@" > /dev/null', ""]))
    codex.chmod(0o755)
    watched = Watched(world, [COMMAND, *FOX, "--codex", str(codex)])
    assert watched.done.json["ok"], watched.done
    assert (world.work / "fox.png").read_bytes() == made("a red fox")
    (other,) = [path for path in world.rollouts() if ANOTHER in path.name]
    (own,) = [path for path in world.rollouts() if ANOTHER not in path.name]
    watched.assert_kept(read=[str(path.relative_to(world.home)) for path in (own, other)])
    whole_buffers = -(-len(foreign) // io.DEFAULT_BUFFER_SIZE)
    assert 0 < watched.bytes_of(other) <= whole_buffers * io.DEFAULT_BUFFER_SIZE
    checks.assert_clean(world)


# What Codex is started with

DUMP = """
import json, os, sys
sys.stdout.flush()
prompt = sys.stdin.buffer.read().decode()
told = {"environment": dict(os.environ), "argv": sys.argv[1:], "prompt": prompt}
told |= {"files": os.listdir(), "cwd": os.getcwd(), "alone": os.getpgrp() == os.getpid()}
with open(sys.argv[0] + ".json", "w") as file:
    json.dump(told, file)
"""
OTHERS = {
    "CODEX_API_KEY": "sk-codex", "OPENAI_API_KEY": "sk-openai", "RUNCOMFY_TOKEN": "secret", "RUNCOMFY_CONFIG_DIR": "/x",
    "MY_OWN": "kept", "NO_COLOR": "1", "OPENAI_BASE_URL": "kept too", "EMPTY": "", "LÄNG": "ü",
}  # fmt: skip


@pytest.fixture
def dumped(lab):
    """What a Codex that only tells about itself was started with; and the world it was in."""
    world = lab()
    codex = world.tmp / "codex"
    codex.write_text(f"#!{sys.executable}{DUMP}")
    codex.chmod(0o755)
    (world.work / "ref, one.png").write_bytes(encoded())
    arguments = ["--prompt", "a red fox", "--ref", "ref, one.png", "--codex", str(codex)]
    world.run_argv([COMMAND, *arguments], env=OTHERS)
    return world, json.loads((world.tmp / "codex.json").read_text())


def test_codex_gets_the_users_environment_less_the_keys(dumped):
    world, told = dumped
    withheld = {"CODEX_API_KEY", "OPENAI_API_KEY", "RUNCOMFY_TOKEN", "RUNCOMFY_CONFIG_DIR"}
    told["environment"].pop("LC_CTYPE", None)  # Python sets it for itself, in the C locale
    expected = {name: value for name, value in {**world.environment, **OTHERS}.items() if name not in withheld}
    assert told["environment"] == expected


def test_the_prompt_goes_through_stdin_and_nowhere_else(dumped):
    _world, told = dumped
    assert told["prompt"] == "a red fox"
    assert "a red fox" not in " ".join(told["argv"])


def test_codex_works_in_an_empty_private_folder_in_a_sandbox(dumped):
    world, told = dumped
    assert told["files"] == []
    assert told["alone"]
    assert told["cwd"].startswith(f"{world.tmp.resolve()}/codex-imagegen-run-")
    assert told["argv"][told["argv"].index("-C") + 1] == told["cwd"]
    assert told["argv"][told["argv"].index("--sandbox") + 1] == "read-only"
    assert "," not in next(word for word in told["argv"] if word.startswith("--image"))
    checks.assert_clean(world)
