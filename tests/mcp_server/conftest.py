"""A server that many tests share: importing the SDK alone costs half a second of processor time.

Each test has its own folder in it, and must not depend on the calls of other tests. A test about the start or the end
of a server, or about what it remembers of earlier calls, starts its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.demo.fake_openai import Script
from tests.mcp_server.raw_client import RawClient
from tests.support import checks
from tests.support.checks import DrawsSmall
from tests.support.lab import Lab


class SharedServer:
    """A running server, its lab and its client. ``folder`` belongs to the current test, and is in the first root."""

    def __init__(self, world: Lab, client: RawClient, root: Path, instructions: str) -> None:
        self.world, self.client, self.root, self.instructions = world, client, root, instructions
        self.folder, self._count = root, 0

    def reset(self) -> None:
        """Begin another test, with a new folder and without earlier messages and calls."""
        self._count += 1
        self.folder = self.root / f"test{self._count}"
        self.folder.mkdir()
        self.play(DrawsSmall())
        self.client.send("ping", id="reset")
        self.client.wait_answer("reset")  # this drops every message of an earlier test
        self.world.standin.calls.clear()
        self.client.progress.clear()

    def play(self, script: Script) -> None:
        """Give the fake OpenAI another script."""
        self.world.standin.script = script

    def path(self, name: str) -> str:
        """The path of a file in the test's folder."""
        return str(self.folder / name)

    def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool and return the result."""
        return self.client.call(tool, **arguments)

    @property
    def is_idle(self) -> bool:
        """Whether only the server runs in this lab."""
        return checks.processes(self.world, wait=False) in ([], [self.client.server.pid])

    def assert_clean(self) -> None:
        """The calls left no temporary file and no process."""
        checks.wait_until(lambda: self.is_idle, "Codex to end")
        assert self.world.leftovers == []
        assert checks.unfinished_files(self.root) == []


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedServer]:
    """The server of this test process. After the last test, its stdin is closed and it ends without output.

    It has every option, and the user's home as its working folder: its roots are ``root`` and ``refs`` beside the lab;
    it runs two calls at once, and has small previews.
    """
    folder = tmp_path_factory.mktemp("mcp")
    root, refs = folder / "root", folder / "refs"
    root.mkdir()
    refs.mkdir()
    options = ("--root", str(root), "--ref-root", str(refs), "--jobs", "2", "--preview-kb", "90")
    backends = ("--backend", "codex", "--backend", "runcomfy")
    with (
        Lab(folder / "lab") as world,
        RawClient(world, *options, *backends, cwd=world.environment["HOME"]) as client,
    ):
        yield SharedServer(world, client, root, client.initialize()["result"]["instructions"])
        client.close_stdin()
        assert client.wait_ended() == (0, "")


@pytest.fixture
def server(shared_server: SharedServer) -> SharedServer:
    """The shared server, with a folder for this test, and without earlier messages and calls."""
    assert shared_server.client.server.poll() is None, "an earlier test has ended the server"
    shared_server.reset()
    return shared_server
