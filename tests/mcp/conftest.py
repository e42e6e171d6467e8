"""Servers that many tests share: starting one costs half a second of processor time, for the import of the SDK alone.

A test that uses a shared server has a folder of its own in it, and must not depend on what others asked for. What is
about starting or ending a server, or about what it remembers of earlier calls, starts one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.demo.standin import Script
from tests.mcp.raw_client import RawClient
from tests.support import checks
from tests.support.checks import Small
from tests.support.lab import Lab


class SharedServer:
    """A running server, its lab and its client. ``folder`` is the current test's own, in the first root."""

    def __init__(self, world: Lab, client: RawClient, root: Path, instructions: str) -> None:
        self.world, self.client, self.root, self.instructions = world, client, root, instructions
        self.folder, self._count = root, 0

    def reset(self) -> None:
        """Begin another test: with a new folder, nothing heard and nothing asked for."""
        self._count += 1
        self.folder = self.root / f"test{self._count}"
        self.folder.mkdir()
        self.play(Small())
        self.client.send("ping", id="reset")
        self.client.wait_answer("reset")  # so that every message of an earlier test is passed by
        self.world.standin.calls.clear()
        self.client.progress.clear()

    def play(self, script: Script) -> None:
        """Give the back end another script."""
        self.world.standin.script = script

    def path(self, name: str) -> str:
        """The path of a file in the test's folder."""
        return str(self.folder / name)

    def call(self, tool: str, **arguments: Any) -> Any:
        """The result of a call."""
        return self.client.call(tool, **arguments)

    @property
    def is_idle(self) -> bool:
        """Whether no process but the server runs in this lab."""
        return checks.processes(self.world, wait=False) in ([], [self.client.server.pid])

    def assert_clean(self) -> None:
        """Nothing is left of the calls: no temporary file and no process."""
        checks.until(lambda: self.is_idle, "Codex to end")
        assert self.world.leftovers == []
        assert checks.temporary(self.root) == []


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], SharedServer]]:
    """Starts each shared server of this test process once. After the last test they end in silence when stdin does."""
    servers: dict[str, SharedServer] = {}
    with ExitStack() as stack:

        def get(name: str) -> SharedServer:
            if name not in servers:
                folder = tmp_path_factory.mktemp(name)
                servers[name] = _bounded(stack, folder) if name == "bounded" else _start(stack, folder)
            server = servers[name]
            assert server.client.server.poll() is None, "an earlier test has ended the server"
            server.reset()
            return server

        yield get
        for server in servers.values():
            server.client.close_stdin()
        assert [server.client.wait_ended() for server in servers.values()] == [(0, "")] * len(servers)


@pytest.fixture
def server(shared: Callable[[str], SharedServer]) -> SharedServer:
    """A server that was started without options."""
    return shared("default")


@pytest.fixture
def bounded_server(shared: Callable[[str], SharedServer]) -> SharedServer:
    """A server with every option, whose working folder is the user's home.

    Its roots are ``root`` and ``refs`` beside the lab; it makes one picture at a time, and has small previews.
    """
    return shared("bounded")


def _bounded(stack: ExitStack, folder: Path) -> SharedServer:
    root, refs = folder / "root", folder / "refs"
    root.mkdir()
    refs.mkdir()
    options = ("--root", str(root), "--ref-root", str(refs), "--jobs", "1", "--preview-kb", "90")
    backends = ("--backend", "codex", "--backend", "runcomfy")
    return _start(stack, folder, *options, *backends, root=root)


def _start(stack: ExitStack, folder: Path, *options: str, root: Path | None = None) -> SharedServer:
    world = stack.enter_context(Lab(folder / "lab"))
    cwd = world.environment["HOME"] if root else None
    client = stack.enter_context(RawClient(world, *options, cwd=cwd))
    instructions = client.initialize()["result"]["instructions"]
    return SharedServer(world, client, root or world.work, instructions)
