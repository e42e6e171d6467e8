"""The installed command's own entry point under an audit hook: which files it opens and changes, and what it starts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.support.lab import Lab

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

    def __init__(self, world: Lab, argv: Sequence[str], *, before: str = "") -> None:
        script, told = world.tmp / "watched.py", world.tmp / "told"
        script.write_text(f"{before}\n{WATCHED}")
        told.touch()
        self.world = world
        self.done = world.run_argv([sys.executable, str(script), str(told), *argv[1:]])
        self.events = [json.loads(line) for line in told.read_text().splitlines()]

    def paths(self, kind: str, folder: Path) -> set[str]:
        """The paths below a folder, relative to it, to which this was done."""
        paths = {os.path.realpath(event[1]) for event in self.events if event[0] == kind}
        return {os.path.relpath(path, folder) for path in paths if Path(path).is_relative_to(folder)}

    def bytes_of(self, path: Path) -> int:
        return sum(int(event[2]) for event in self.events if event[0] == "bytes" and event[1] == str(path))

    def assert_kept(self, *, read: Iterable[str] = ()) -> None:
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
