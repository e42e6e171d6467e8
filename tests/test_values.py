"""JSON of any shape is read without an exception."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_imagegen import values

NO_JSON = ["", "{", b"\xff{}", "[" * 100_000, '{"a":' * 100_000, "1" * 5000, "\0", b"\x00\x00\xfe\xff"]


@pytest.mark.parametrize("text", NO_JSON, ids=lambda text: repr(text[:8]))
def test_text_that_is_no_json_is_none(text: str | bytes) -> None:
    assert values.parse(text) is None
    assert values.parse_object(text) is None


@pytest.mark.parametrize("text", ["[]", "null", "1", '"a"', "NaN"])
def test_json_that_is_no_object_is_no_object(text: str) -> None:
    assert values.parse_object(text) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_none(data: bytes) -> None:
    value = values.parse_object(data)
    assert value is None or isinstance(value, dict)


@pytest.mark.parametrize("value", [None, True, 1, 1.5, "a", "", [], [1], {}, {"a": 1}])
def test_a_value_of_another_type_is_empty_or_none(value: object) -> None:
    assert values.as_object(value) == (value if isinstance(value, dict) else {})
    assert values.as_list(value) == (value if isinstance(value, list) else [])
    assert values.as_text(value) == ("a" if value == "a" else None)
    assert values.as_number(value) == (value if value in (1, 1.5) and value is not True else None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, -(10**400), True, False, "1", None])
def test_a_number_that_no_float_can_hold_is_none(value: object) -> None:
    assert values.as_number(value) is None


@pytest.mark.parametrize("value", [0, -1, 0.5, 1e308, 10**300])
def test_a_finite_number_is_itself(value: float) -> None:
    assert values.as_number(value) == value
    assert math.isfinite(float(json.loads(json.dumps(values.as_number(value)))))
