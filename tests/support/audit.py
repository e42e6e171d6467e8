"""Runs the command's entry point under an audit hook: records which files it opens and changes, and what it starts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.lab import Lab

AUDIT_SCRIPT = """
import builtins, io, json, os, sys
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND)

def record(event, *values):
    words = [os.fsdecode(value) if isinstance(value, (str, bytes)) else repr(value) for value in values]
    os.write(log, json.dumps([event, *words]).encode() + b"\\n")

def hook(event, values):
    if event in {"open", "os.listdir", "os.scandir"}:
        if isinstance(values[0], int):
            return  # a descriptor: its file was recorded when it was opened
        writes = event == "open" and values[2] & (os.O_WRONLY | os.O_RDWR)
        record("write" if writes else "read" if event == "open" else "list", os.path.abspath(values[0] or "."))
    elif event.startswith(("os.", "shutil.", "socket.")) or event in {"subprocess.Popen", "urllib.Request"}:
        record(event, *values)

class Counted(io.FileIO):
    def readinto(self, buffer):
        size = super().readinto(buffer)
        record("bytes", self.name, size)
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


class AuditedRun:
    """The audit events of a run."""

    def __init__(self, world: Lab, argv: Sequence[str], *, before: str = "") -> None:
        script, log = world.tmp / "watched.py", world.tmp / "log"
        script.write_text(f"{before}\n{AUDIT_SCRIPT}")
        log.touch()
        self.world = world
        self.done = world.run_argv([sys.executable, str(script), str(log), *argv[1:]])
        self.events = [json.loads(line) for line in log.read_text().splitlines()]

    def paths(self, kind: str, folder: Path) -> set[str]:
        """The paths below a folder, relative to it, with events of this kind."""
        paths = {os.path.realpath(event[1]) for event in self.events if event[0] == kind}
        return {os.path.relpath(path, folder) for path in paths if Path(path).is_relative_to(folder)}

    def bytes_of(self, path: Path) -> int:
        return sum(int(event[2]) for event in self.events if event[0] == "bytes" and event[1] == str(path))

    def assert_kept(self, *, read: Iterable[str] = ()) -> None:
        """The run read only the config and these files, listed only day folders, and wrote nothing in the home."""
        home = self.world.home
        assert self.paths("read", home) <= {"config.toml", *read}
        assert all(path.startswith("sessions/") and path.count("/") == 3 for path in self.paths("list", home))
        assert self.paths("write", home) == set()
        changed = [event for event in self.events if event[0].startswith(("os.", "shutil."))]
        assert [event for event in changed if str(home) in json.dumps(event)] == []
        assert [event for event in self.events if event[0].startswith(("socket.", "urllib."))] == []
        written = {Path(os.path.realpath(event[1])) for event in self.events if event[0] == "write"}
        written = {path for path in written if path.parent.name != "__pycache__"}  # written by Python itself
        allowed = [self.world.tmp, self.world.work, Path("/dev/null")]
        assert [path for path in written if not any(path.is_relative_to(folder) for folder in allowed)] == []
