"""Codex's event stream and stderr, in chunks of any size."""

from __future__ import annotations

import json

import pytest

from codex_imagegen.codex.run.events import Events, StderrTail
from codex_imagegen.codex.sessions.layout import THREAD_ID
from tests.support import recorded_runs

THREAD = "01a1fbe6-1832-7db0-957e-ac10944ce8db"


def fed(*chunks: bytes) -> Events:
    events = Events()
    for chunk in chunks:
        events.feed(chunk)
    return events


def line(**event: object) -> bytes:
    return json.dumps(event).encode() + b"\n"


@recorded_runs.for_each(recorded_runs.load_all())
def test_recorded_streams_are_read(recording):
    events = recording.events()
    assert events.invalid_line is None
    assert bool(events.thread_id) == bool(recording.lines or recording.stdout)
    if events.thread_id:
        assert THREAD_ID.match(events.thread_id)
        assert not recording.lines or events.thread_id in recording.lines[0].decode()
    assert not (events.turn_completed and events.turn_error)
    if events.thread_id and recording.run["exit_code"] == 0:
        assert events.turn_completed
    if events.turn_error:
        assert recording.run["exit_code"] == 1


@pytest.mark.parametrize("size", [1, 2, 7, 4096])
def test_stream_in_any_chunks_gives_the_same_events(size):
    for name in ("0.169.0-fn-net-500", "0.111.0-refused"):
        stdout = recorded_runs.load(name).stdout
        cut = fed(*[stdout[start : start + size] for start in range(0, len(stdout), size)])
        whole = fed(stdout)
        assert vars(cut) == vars(whole)


def test_first_thread_id_is_kept():
    other = THREAD.replace("0", "9")
    events = fed(line(type="thread.started", thread_id=THREAD), line(type="thread.started", thread_id=other))
    assert events.thread_id == THREAD


@pytest.mark.parametrize("thread", ["../../etc", "", None, 5, THREAD + "\n", THREAD + "/..", THREAD[:-1]])
def test_invalid_thread_id_is_ignored(thread):
    assert fed(line(type="thread.started", thread_id=thread)).thread_id is None


def test_line_without_line_feed_is_not_read_yet():
    whole = line(type="turn.completed")
    events = fed(whole[:-1])
    assert not events.turn_completed
    events.feed(b"\n")
    assert events.turn_completed


def test_failed_turn_has_its_message():
    assert fed(line(type="turn.failed", error={"message": "no"})).turn_error == "no"
    for error in (None, {}, {"message": ""}, {"message": 5}, "x"):
        assert fed(line(type="turn.failed", error=error)).turn_error in ("the turn failed", "x")


def test_errors_are_kept_and_bounded():
    events = fed(line(type="error", message="a"), line(type="item.completed", item={"type": "error", "message": "b"}))
    assert events.errors == ["a", "b"]
    for number in range(50):
        events.feed(line(type="error", message=f"{number}" + "x" * 9000))
    assert len(events.errors) == 20
    assert events.errors[-1].startswith("49x")
    assert {len(error) for error in events.errors} == {4000}


def test_last_message_of_the_model_is_kept():
    messages = [
        line(type="item.completed", item={"type": "agent_message", "text": text}) for text in ("a", "b" * 9000, 5)
    ]
    assert fed(*messages).agent_message == "b" * 4000


@pytest.mark.parametrize(
    "invalid", [b"hello\n", b"[1]\n", b"5\n", b"null\n", b'"x"\n', b"\xff\xfe\x00\n", b"[" * 9000 + b"\n", b"9" * 9000]
)
def test_first_invalid_line_is_kept(invalid):
    events = fed(invalid + b"\n", line(type="turn.completed"))
    assert events.invalid_line == invalid.split(b"\n")[0][:500].decode(errors="replace")
    assert events.turn_completed


def test_blank_line_is_not_invalid():
    assert fed(b"\n\r\n  \n").invalid_line is None


def test_endless_line_is_dropped():
    events = fed(*[b"x" * 65536] * 100)
    assert len(events._line) <= 256 * 1024
    events.feed(b"\n" + line(type="turn.completed"))
    assert events.turn_completed
    assert events.invalid_line is None


def test_last_lines_of_stderr_are_kept():
    words = StderrTail()
    for number in range(100):
        words.feed(b"x" * 9999 + b"%d\n" % number)
    assert len(words.text) == 64 * 1024
    assert words.text.endswith("x99\n")
    words.feed(b"\xff")
    assert words.text.endswith("�")


def test_missing_code_mode_host_is_noted_only_before_the_turn():
    error = {"type": "error", "message": "Code Mode is unavailable because failed to spawn code-mode host …"}
    assert fed(line(type="item.completed", item=error)).missing_host == error["message"]
    assert fed(line(type="turn.started"), line(type="item.completed", item=error)).missing_host is None
    other = fed(line(type="item.completed", item={"type": "error", "message": "under-development features"}))
    assert (other.missing_host, other.turn_started) == (None, False)
