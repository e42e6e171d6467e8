"""Hand-written sessions of our own runs and of others, for tests without a Codex."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path
from typing import Any

from codex_imagegen.codex.run.command import INSTRUCTIONS
from tests.support import history
from tests.support.lab import Lab

DAY = 86_400


def write_own_session(world: Lab, *records: Any, days: float = 60, end: bool = True, **meta: Any) -> Path:
    """Write a session as our runs leave it; ``meta`` changes its first record.

    ``end=False`` omits the end of the turn, as a kill does. ``instructions`` are the developer message.
    """
    instructions = meta.pop("instructions", INSTRUCTIONS)
    at = time.time() - days * DAY
    thread = history.new_thread_id(at)
    first = {"cwd": f"/tmp/codex-imagegen-run-{uuid.uuid4().hex[:16]}", "source": "exec", **meta}
    turn = history.new_thread_id(at + 1)
    closing = [turn_end(turn)] if end else []
    path = world.history.rollout(
        turn_start(turn), history.developer_message(instructions), *records, *closing, thread_id=thread, at=at
    )
    lines = path.read_bytes().split(b"\n")
    lines[0] = history.rollout_line(history.session_meta(first.pop("id", thread), **first))
    path.write_bytes(b"\n".join(lines))
    os.utime(path, (at, at))
    return path


def files(world: Lab) -> set[str]:
    """All files of the Codex home."""
    return {str(path.relative_to(world.home)) for path in world.home.rglob("*") if path.is_file()}


def turn_start(turn: str) -> history.Record:
    return {"type": "event_msg", "payload": {"type": "task_started", "turn_id": turn}}


def turn_end(turn: str) -> history.Record:
    return {"type": "event_msg", "payload": {"type": "turn_aborted", "turn_id": turn, "reason": "interrupted"}}
