from __future__ import annotations

import json
from email.utils import formatdate
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_imagegen.errors import ImagegenError
from codex_imagegen.runcomfy import responses

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(["error_code", "error_message", "message", "error", "detail", "status", "cost"])


def error_of(status: int, value: object = None) -> ImagegenError:
    error = responses.find_error(responses.parse(status, json.dumps(value).encode()))
    assert error is not None
    return error


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, 400001, 64),
        (400, 400002, 7),
        (402, None, 7),
        (400, 400004, 77),
        (400, "400004", 77),
        (401, None, 77),
        (403, 403001, 77),
        (403, None, 77),
        (404, 404001, 65),
        (404, None, 65),
        (400, None, 65),
        (409, None, 65),
        (413, None, 65),
        (422, None, 65),
        (408, None, 75),
        (429, None, 75),
        (429, 429001, 75),
        (500, None, 69),
        (502, None, 69),
        (503, 503000, 69),
        (599, None, 69),
        (302, None, 69),
        (200, 400004, 77),
        (200, 400002, 7),
        (200, 404001, 65),
        (200, 403001, 77),
        (200, 401000, 77),
        (200, 422000, 65),
        (200, 429000, 75),
        (200, 500001, 69),
        (200, 1, 69),
        (200, -3, 69),
        (200, 10**30, 69),
        (202, 400001, 64),
    ],
)
def test_refusal_has_its_exit_code(status: int, code: object, exit_code: int) -> None:
    error = error_of(status, {"error_code": code, "error_message": "because"} if code else {"detail": "because"})
    assert error.exit_code == exit_code
    assert error.message.endswith("because")
    if exit_code != 65:
        assert error.hint or exit_code == 64


@pytest.mark.parametrize("code", [None, 0, False, True, "", "0", "x", [], {}, "9" * 40, 1.5])
def test_meaningless_error_code_is_ignored(code: object) -> None:
    assert responses.find_error(responses.parse(200, json.dumps({"error_code": code}).encode())) is None


@pytest.mark.parametrize(
    ("status", "spent"), [(400, False), (422, False), (429, False), (408, None), (500, None), (302, None)]
)
def test_refusal_tells_whether_it_may_have_cost(status: int, spent: bool | None) -> None:
    assert error_of(status).spent is spent


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>502 Bad Gateway</html>",
        b"[" * 300_000,
        b'{"a":' * 100_000,
        b"\xff\xfe",
        b"1" * 10_000,
        b"NaN",
        b'"\\ud800"',
    ],
)
def test_body_of_any_shape_is_parsed(body: bytes) -> None:
    answer = responses.parse(200, body)
    assert answer.fields == {}
    assert answer.error_code is None
    assert answer.state is None
    assert responses.find_error(responses.parse(502, body)).exit_code == 69  # type: ignore[union-attr]


@given(st.integers(100, 999), JSON | st.dictionaries(KEYS, JSON))
def test_arbitrary_json_raises_nothing(status: int, value: object) -> None:
    answer = responses.parse(status, json.dumps(value).encode())
    error = responses.find_error(answer)
    assert error is None or len(error.message) < 500
    assert answer.state in (None, "waiting", "succeeded", "failed", "cancelled")
    failure = responses.job_error(answer)
    assert failure.exit_code == 7
    assert len(failure.message) < 500


@given(JSON, st.integers(1, 50))
def test_message_is_short_and_on_one_line(value: object, limit: int) -> None:
    text = responses.collect_text(value, limit)
    assert len(text) <= limit
    assert "\n" not in text


def test_message_is_found_in_any_shape() -> None:
    assert responses.collect_text({"a": [{"msg": "one"}, 2, None, "two\n\n three"], "b": "one"}) == "one; two three"
    assert responses.collect_text("x" * 1000) == "x" * 299 + "…"
    deep: object = "found"
    for _ in range(50_000):
        deep = [deep]
    assert responses.collect_text(deep) == "found"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("Blocked by our moderation system", "moderation"),
        ({"code": "content_policy_violation"}, "moderation"),
        ([{"type": "x", "msg": "Safety filter"}], "moderation"),
        ({"message": "out of memory"}, "generation-failed"),
        (None, "generation-failed"),
        (17, "generation-failed"),
    ],
)
def test_failed_job_has_its_reason(error: object, code: str) -> None:
    failure = responses.job_error(responses.Response(200, {"status": "failed", "error": error}))
    assert (failure.code, failure.exit_code, failure.spent) == (code, 7, None)


def test_failed_job_has_its_cost() -> None:
    assert responses.job_error(responses.Response(200, {"status": "failed", "cost": 0})).spent is False
    assert responses.job_error(responses.Response(200, {"status": "failed", "cost": 0.1})).spent is True
    assert responses.job_error(responses.Response(200, {"status": "cancelled"})).code == "no-picture"


@pytest.mark.parametrize(
    ("cost", "known"),
    [
        (0.04, 0.04),
        (0, 0.0),
        (2, 2.0),
        (None, None),
        (True, None),
        ("1", None),
        (-1, None),
        (float("inf"), None),
        (float("nan"), None),
        ([], None),
    ],
)
def test_cost_is_a_number_of_dollars(cost: object, known: float | None) -> None:
    assert responses.read_cost({"cost": cost}) == known


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        (" 10 ", 10.0),
        ("0", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
        ("9" * 20, None),
        ("²", None),
    ],
)
def test_retry_after_is_read_as_number(text: str | None, seconds: float | None) -> None:
    assert responses.parse_retry_after(text) == seconds


def test_retry_after_is_read_as_date() -> None:
    seconds = responses.parse_retry_after(formatdate(time() + 30, usegmt=True))
    assert seconds is not None
    assert 25 < seconds <= 30
    assert responses.parse_retry_after(formatdate(0, usegmt=True)) == 0.0


def test_body_is_not_in_repr() -> None:
    assert "s3cret" not in repr(responses.parse(200, b'{"access_token": "s3cret"}'))
