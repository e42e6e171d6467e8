"""One turn or several in a rollout."""

from __future__ import annotations

import json

import pytest

from codex_imagegen.codex.sessions import inspect
from tests.support import history, recorded_runs

RECORDINGS = [recorded_runs.Recording(folder) for folder in sorted(recorded_runs.ROOT.iterdir()) if folder.is_dir()]


@recorded_runs.for_each([r for r in RECORDINGS if r.lines])
def test_recordings_have_one_turn(recording):
    assert not inspect.has_multiple_turns(str(recording.path))


def record(kind, turn, **more):
    return history.rollout_line({"type": "event_msg", "payload": {"type": kind, **more, "turn_id": turn}})


ONE, TWO = history.new_thread_id(0), history.new_thread_id(1)
LONG = history.rollout_line({"type": "response_item", "payload": {"type": "message", "text": "x" * 400_000}})


@pytest.mark.parametrize(
    ("lines", "several"),
    [
        ([], False),
        ([record("task_started", ONE)], False),
        ([record("task_started", ONE), LONG, record("turn_aborted", ONE, root_turn_id=ONE)], False),
        ([record("task_started", ONE), LONG], False),
        ([LONG, record("task_complete", ONE), LONG], False),
        ([record("task_started", ONE), record("task_complete", ONE), LONG, record("task_started", TWO), LONG], True),
        ([record("turn_started", ONE), LONG, record("turn_complete", TWO)], True),
        ([LONG, record("task_started", ONE), LONG, record("task_started", TWO), LONG], True),
    ],
)
def test_turns_are_counted_by_ends_or_the_whole_file(tmp_path, lines, several):
    path = tmp_path / "rollout.jsonl"
    path.write_bytes(
        b"".join(
            line + b"\n" for line in [history.rollout_line(history.session_meta(history.new_thread_id(0))), *lines]
        )
    )
    assert inspect.has_multiple_turns(str(path)) is several


def test_text_like_a_turn_are_not_counted(tmp_path):
    path = tmp_path / "rollout.jsonl"
    text = json.dumps({"type": "task_started", "turn_id": TWO}, separators=(",", ":"))
    lines = [
        record("task_started", ONE),
        history.rollout_line(history.user_message(text)),
        record("task_complete", ONE),
    ]
    path.write_bytes(b"\n".join(lines))
    assert not inspect.has_multiple_turns(str(path))
