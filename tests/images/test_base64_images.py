"""Base64 pictures in JSON lines: recognized by their first bytes, and extracted."""

from __future__ import annotations

import base64
import json

import pytest

from codex_imagegen.images import base64_images
from tests.support.pictures import encoded, torn

LARGE = encoded(90)
FORMATS = ("PNG", "JPEG", "WEBP")


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("format_", FORMATS)
def test_base64_of_every_format_is_known_by_its_magic(format_: str):
    data = encoded(40, format=format_)
    for value in (text(data), text(data).encode(), memoryview(text(data).encode())):
        assert base64_images.decode(value) == data
    assert base64_images.decode(f"data:image/{format_.lower()};base64,{text(data)}") == data


def test_base64_of_a_truncated_picture_is_its_bytes():
    assert base64_images.decode(text(torn(LARGE))) == torn(LARGE)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "hello",
        "iVBORw0KGgo",
        "/9j",
        text(b"GIF89a" + b"x" * 99),
        text(b"RIFF1234WAVE" + b"x" * 99),
        text(LARGE)[:-3],
        "data:image/png;base64,",
        "data:image/png," + text(LARGE),
        "data:text/plain;base64," + text(LARGE),
        "data:image/" + "x" * 99 + ";base64," + text(LARGE),
        "iVBORw0KGgoé",
        " " + text(LARGE),
    ],
)
def test_base64_of_no_picture_is_none(value: str):
    assert base64_images.decode(value) is None


def test_extraction_returns_a_small_line_and_views():
    record = {"a": text(LARGE), "b": ["data:image/png;base64," + text(encoded(91)), "x" * 9000], "c": "small"}
    line = json.dumps(record).encode()
    small, found = base64_images.extract(line)
    assert len(small) < len(line) / 4
    assert [view.obj is line for view in found] == [True, True]
    parsed = json.loads(small)
    assert base64_images.decode(base64_images.extracted_text(parsed["a"], found)) == LARGE
    assert base64_images.decode(base64_images.extracted_text(parsed["b"][0], found)) == encoded(91)
    assert (parsed["b"][1], parsed["c"]) == ("x" * 9000, "small")


def test_small_picture_is_not_extracted():
    line = json.dumps({"a": text(encoded(8))}).encode()
    assert base64_images.extract(line) == (line, [])
    assert base64_images.extracted_text(text(encoded(8)), []) == text(encoded(8))


@pytest.mark.parametrize(
    "value", ["\0", "\0" + "1", "\0-1", "\0x", "\0" + "9" * 5000, "\0²", "\0 0", None, 5, [], {}, True]
)
def test_foreign_mark_is_unchanged(value: object):
    assert base64_images.extracted_text(value, [memoryview(b"x")]) is None


def test_other_string_is_unchanged():
    assert base64_images.extracted_text("hello", []) == "hello"
    assert base64_images.extracted_text("", []) == ""


@pytest.mark.parametrize(
    "line", [b"", b'"', b'""', b'"' + text(LARGE).encode(), text(LARGE).encode() + b'"', b"\\" * 99]
)
def test_truncated_line_has_no_strings(line: bytes):
    assert base64_images.extract(line) == (line, [])


def test_line_full_of_quotes_is_read_in_linear_time():
    line = b'"x\\"' * 300_000
    assert base64_images.extract(line) == (line, [])
