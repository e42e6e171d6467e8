"""Whether a rollout has a known format: every recording has, and unknown records are named."""

from __future__ import annotations

import json
import math
import time

import pytest

from codex_imagegen.codex.sessions import inspect
from codex_imagegen.codex.sessions.inspect import RolloutFormat
from tests.support import recorded_runs
from tests.support.history import History, generated_image, new_thread_id, rollout_line, user_image, user_message
from tests.support.pictures import encoded

FOX = encoded(40, "fox")
KNOWN = RolloutFormat("0.169.0")
RECORDINGS = [recording for recording in recorded_runs.load_all() if recording.lines]


@pytest.fixture
def codex_home(tmp_path):
    return History(tmp_path)


def check(path):
    return inspect.check_format(str(path), math.inf)


@recorded_runs.for_each(RECORDINGS)
def test_recordings_have_a_known_format(recording):
    found = check(recording.path)
    assert found is None or found.problems == (), found


def test_ordinary_rollout_has_a_known_format(codex_home):
    assert check(codex_home.rollout(user_message(), user_image(encoded(60)), generated_image(FOX))) == KNOWN


def test_unknown_record_type_is_named(codex_home):
    path = codex_home.rollout(
        user_message(), {"type": "turn_summary", "payload": {}}, {"type": "picture", "payload": {"type": "x"}}
    )
    assert check(path).problems == ("records of the kind turn_summary, picture",)


def test_picture_in_an_unknown_record_is_named(codex_home):
    picture = generated_image(FOX)["payload"]["item"]["result"]
    record = {"type": "event_msg", "payload": {"type": "canvas_painted", "canvas": {"bits": picture}}}
    assert check(codex_home.rollout(user_message(), record)).problems == ("a picture in a record of no known kind",)


@pytest.mark.parametrize(
    "odd", [{}, {"type": 7}, {"type": ["session_meta"]}, {"type": {"a": 1}}, {"type": "a b\x1b[2J"}]
)
def test_record_without_a_type_is_named(codex_home, odd):
    assert check(codex_home.rollout(odd)).problems == ("records of the kind (without a name)",)


def test_first_record_without_a_thread_is_named(codex_home):
    path = codex_home.rollout(user_message())
    path.write_bytes(rollout_line(user_message()) + b"\n")
    assert check(path) == RolloutFormat(None, ("a first record that names no thread",))


def test_records_in_another_order_are_known(codex_home):
    path = codex_home.rollout(user_message())
    swapped = {"payload": {"type": "message", "role": "user"}, "type": "response_item"}
    with path.open("ab") as file:
        file.write(json.dumps(swapped).encode() + b"\n")
    assert check(path) == KNOWN


def test_torn_rollout_is_not_checked(codex_home):
    assert check(codex_home.rollout(user_message(), end=b'\n{"timestamp":"2026","type":"eve')) == KNOWN
    assert check(codex_home.rollout(user_message(), end=b'\n{"timestamp":"2026","typ\n')) == KNOWN


@pytest.mark.parametrize("content", [b"", b'{"type":"session_meta"'])
def test_rollout_without_a_line_is_not_checked(codex_home, content):
    path = codex_home.rollout()
    path.write_bytes(content)
    assert check(path) is None


def test_slow_or_large_rollout_is_not_checked(codex_home, monkeypatch):
    path = codex_home.rollout(user_message())
    assert inspect.check_format(str(path), time.monotonic() - 1) is None
    assert check(path.with_name("nowhere")) is None
    monkeypatch.setattr(inspect, "MAX_BYTES", 10)
    assert check(path) is None


def test_many_unknown_types_are_named_in_part(codex_home):
    kinds = check(codex_home.rollout(*({"type": f"new_{number}", "payload": {}} for number in range(100)))).problems[0]
    assert kinds.count("new_") == 5


def test_thread_of_another_name_is_named(codex_home):
    assert check(codex_home.rollout(user_message(), thread_id=new_thread_id())) == KNOWN
