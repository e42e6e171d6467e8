"""A made-up past in a home, with no Codex: the command is run as it is installed."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.codex.command import INSTRUCTIONS
from tests.support import history
from tests.support.lab import COMMAND, Outcome

DAY = 86_400


class World:
    """A Codex home with sessions of ours and of others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.past = history.History(folder / "home")
        self.home = self.past.home
        path = folder / "bin"  # no Codex is on it
        path.mkdir()
        self.environment = {**os.environ, "CODEX_HOME": str(self.home), "TZ": "UTC", "PATH": str(path)}

    def run(self, *arguments: str, **more: Any) -> Outcome:
        line = [COMMAND, "prune", *arguments]
        done = subprocess.run(
            line, capture_output=True, env=self.environment, timeout=60, stdin=subprocess.DEVNULL, check=False, **more
        )
        return Outcome(done.returncode, done.stdout, done.stderr.decode(), 0)

    def ours(self, *records: Any, days: float = 60, end: bool = True, **meta: Any) -> Path:
        """A session as our runs leave it; ``meta`` is what its first record says otherwise.

        ``end`` False leaves the turn's end out, as a kill does; ``words`` are what the model was told as a developer.
        """
        words = meta.pop("words", INSTRUCTIONS)
        at = time.time() - days * DAY
        thread = history.new_thread_id(at)
        told = {"cwd": f"/tmp/codex-imagegen-run-{uuid.uuid4().hex[:16]}", "source": "exec", **meta}
        turn = history.new_thread_id(at + 1)
        closing = [ended(turn)] if end else []
        path = self.past.rollout(
            begun(turn), history.developer_message(words), *records, *closing, thread_id=thread, at=at
        )
        lines = path.read_bytes().split(b"\n")
        lines[0] = history.rollout_line(history.session_meta(told.pop("id", thread), **told))
        path.write_bytes(b"\n".join(lines))
        os.utime(path, (at, at))
        return path

    def files(self) -> set[str]:
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}


def begun(turn: str) -> history.Record:
    return {"type": "event_msg", "payload": {"type": "task_started", "turn_id": turn}}


def ended(turn: str) -> history.Record:
    return {"type": "event_msg", "payload": {"type": "turn_aborted", "turn_id": turn, "reason": "interrupted"}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
