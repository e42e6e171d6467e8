"""Base64 pictures in JSON text, recognized by their first characters and extracted without copies.

The first bytes of a PNG, JPEG or WebP always encode to the same base64 characters, so a string's beginning names its
format. A line of a rollout can have tens of megabytes, nearly all of it one such string. So the string is taken out as
a view of the line, and only the small rest is parsed.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

# 89 50 4E 47 0D 0A 1A 0A; FF D8 FF; "RIFF" ("WEBP" is at byte 8, which is checked after decoding)
BASE64_MAGICS = (b"iVBORw0KGgo", b"/9j/", b"UklGR")
_START_OF_IMAGE = re.compile(rb'"(?:data:image/|iVBORw0KGgo|/9j/|UklGR)')
_DATA_HEADER = b"data:image/"
_BASE64_MARK = b";base64,"
_HEADER_BYTES = 64
Base64Text = bytes | memoryview | str
"""Base64 text; an extracted string is a view of its line."""

SMALL = 4096
"""Shorter strings, in characters, stay in the line: parsing them costs less than extracting them."""


def decode(text: Base64Text) -> bytes | None:
    """The bytes of a base64 picture; None where the text is not base64 or the bytes do not begin as a picture does."""
    if isinstance(text, str):
        if not text.isascii():
            return None
        text = text.encode("ascii")
    start = payload_start(text, 0, len(text))
    if start is None:
        return None
    try:
        data = binascii.a2b_base64(memoryview(text)[start:])
    except (binascii.Error, ValueError):
        return None
    return data if _is_image(data) else None


def may_contain_image(line: bytes) -> bool:
    """Whether any JSON string in the line begins as a picture does (one search, at 3 GB a second)."""
    return _START_OF_IMAGE.search(line) is not None


def payload_start(text: bytes | memoryview, start: int, end: int) -> int | None:
    """The offset in ``text[start:end]`` of a picture's base64: at once or after a ``data:`` header."""
    head = bytes(text[start : min(end, start + _HEADER_BYTES)])
    if head.startswith(_DATA_HEADER):
        mark = head.find(_BASE64_MARK)
        if mark < 0:
            return None
        skip = mark + len(_BASE64_MARK)
        return start + skip if head[skip:].startswith(BASE64_MAGICS) else None
    return start if head.startswith(BASE64_MAGICS) else None


def image_strings(line: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each long JSON string of ``line``, without its quotes, that begins as a picture does."""
    quote = line.find(b'"')
    while quote >= 0:
        end = line.find(b'"', quote + 1)
        if end < 0:
            return
        if end - quote > SMALL and payload_start(line, quote + 1, end) is not None:
            yield quote + 1, end
        quote = end


def extract(line: bytes) -> tuple[bytes, list[memoryview]]:
    """The line with each picture string replaced by ``"\\u0000N"``, and the strings as views of the line.

    ``N`` is the index in the list. No string in Codex's JSON is a NUL and a number, and :func:`extracted_text` checks
    the index.
    """
    view, last = memoryview(line), 0
    parts: list[bytes | memoryview] = []
    found: list[memoryview] = []
    for start, end in image_strings(line):
        parts += [view[last:start], b"\\u0000%d" % len(found)]
        found.append(view[start:end])
        last = end
    if not found:
        return line, []
    return b"".join([*parts, view[last:]]), found


def extracted_text(value: object, found: list[memoryview]) -> Base64Text | None:
    """The string of a JSON value: the extracted string for its mark, any other string itself."""
    if not isinstance(value, str):
        return None
    if value[:1] != "\0":
        return value
    index = value[1:9]
    return found[int(index)] if index.isdecimal() and int(index) < len(found) else None


def _is_image(data: bytes) -> bool:
    if data[:4] == b"RIFF":
        return data[8:12] == b"WEBP"
    return data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))
