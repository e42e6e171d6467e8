"""Outcomes of jobs, read from records of any shape."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_imagegen.batches.outcomes import file_sha256, not_started_result, read_done, read_failed, to_journal
from codex_imagegen.errors import Moderation, UsageLimit
from codex_imagegen.render import failure_result
from codex_imagegen.results import Image, Result, Warning_
from codex_imagegen.runner.attempts import not_started


def through_json(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps({"event": "x", "job": "y", **to_journal(result)}))
    return found


def test_result_is_read_from_the_journal_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "fox.png"
    path.write_bytes(b"fox")
    image = Image(str(path), "png", 3, 2, 3, hashlib.sha256(b"fox").hexdigest(), original=False, revised_prompt="é")
    result = Result(
        ok=True, backend="codex", images=(image,), thread_id="t", codex_version="1", warnings=(Warning_("a", "b"),)
    )
    assert read_done(through_json(result), str(path), "codex") == result
    moved = path.rename(tmp_path / "moved.png")
    assert read_done(through_json(result), str(path), "codex") is None
    again = read_done(through_json(result), str(moved), "codex")
    assert again is not None
    assert again.images[0].path == str(moved)
    moved.write_bytes(b"wolf")
    assert read_done(through_json(result), str(moved), "codex") is None


def test_failure_read_from_the_journal_has_spent_nothing() -> None:
    result = failure_result(Moderation("blocked", hint="change it", spent=True))
    again = read_failed(through_json(result), "codex")
    assert again is not None
    assert again.error is not None
    assert (again.error.code, again.error.message, again.error.spent) == ("moderation", "blocked", False)
    assert again.failures[0].error == again.error


def test_not_started_job_says_when_the_limit_ends() -> None:
    error = not_started_result(not_started(UsageLimit("used up", resets_at=7, spent=True)), "codex").error
    assert error is not None
    assert error.message == "not started: used up"
    assert (error.code, error.exit_code, error.spent, error.resets_at) == ("usage-limit", 7, False, 7)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["images", "error", "warnings", "path", "sha256", "code"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(["images", "error", "warnings", "thread_id"]), JSON))
def test_any_record_gives_no_result_and_does_not_raise(record: dict[str, Any]) -> None:
    assert read_done(record, "/nowhere", "codex") is None
    read_failed(record, "codex")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/passwd", path)])
def test_hash_of_anything_but_a_regular_file_is_none(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "x")
    assert file_sha256(str(tmp_path / "x")) is None
    assert file_sha256(str(tmp_path / "none")) is None
    assert file_sha256("\0") is None


@pytest.mark.parametrize("changed", [
    {"sha256": None}, {"sha256": 7}, {"path": 7}, {"width": "3"}, {"bytes": 1.5}, {"original": 1}, {"height": None},
    {"revised_prompt": []}, {"format": {}}, {"more": 1},
])  # fmt: skip
def test_record_of_a_picture_with_a_wrong_value_is_ignored(tmp_path: Path, changed: dict[str, Any]) -> None:
    path = tmp_path / "fox.png"
    image = {"path": "x", "format": "png", "width": 3, "height": 2, "bytes": 3, "sha256": None}
    assert read_done({"images": [image]}, str(path), "codex") is None  # and there is no file
    path.write_bytes(b"fox")
    image["sha256"] = hashlib.sha256(b"fox").hexdigest()
    assert read_done({"images": [image], "warnings": 7, "thread_id": 7}, str(path), "codex") is not None
    assert read_done({"images": [{**image, **changed}]}, str(path), "codex") is None


@pytest.mark.parametrize(
    "changed", [{"message": 7}, {"hint": []}, {"resets_at": "x"}, {"exit_code": "7"}, {"code": None}]
)
def test_record_of_a_failure_with_a_wrong_value_is_ignored(changed: dict[str, Any]) -> None:
    error = {"code": "moderation", "exit_code": 7, "message": "blocked"}
    assert read_failed({"error": error}, "codex") is not None
    assert read_failed({"error": {**error, **changed}}, "codex") is None
