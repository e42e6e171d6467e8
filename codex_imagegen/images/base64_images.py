"""Base64 pictures inside JSON text, known by their first characters, and lifted out of it without copies.

A base64 string tells its format by how it begins: the first bytes of a PNG, JPEG or WebP always encode to the same
characters. A rollout's line can be tens of megabytes, nearly all of it one such string, so the string is cut out as a
view of the line, and only the small rest is parsed.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

# 89 50 4E 47 0D 0A 1A 0A; FF D8 FF; "RIFF" (WebP says so itself at byte 8, which is checked after decoding)
MAGICS = (b"iVBORw0KGgo", b"/9j/", b"UklGR")
_BEGINS = re.compile(rb'"(?:data:image/|iVBORw0KGgo|/9j/|UklGR)')
_DATA_HEADER = b"data:image/"
_BASE64_MARK = b";base64,"
_HEADER_ROOM = 64
Blob = bytes | memoryview | str
"""Base64 text: a lifted string is a view of its line."""

SMALL = 4096
"""A string below this many characters is left where it stands: parsing it costs less than lifting it."""


def decode(text: Blob) -> bytes | None:
    """The bytes behind base64 text, or None where it is not base64 or not a picture by its magic header."""
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
    return data if _is_kind(data) else None


def may_hold(line: bytes) -> bool:
    """Whether any JSON string in the line begins as a picture does (3 GB a second: one search, not three)."""
    return _BEGINS.search(line) is not None


def payload_start(text: bytes | memoryview, start: int, end: int) -> int | None:
    """Where in ``text[start:end]`` the base64 of a picture begins: at once, or behind a ``data:`` header."""
    head = bytes(text[start : min(end, start + _HEADER_ROOM)])
    if head.startswith(_DATA_HEADER):
        mark = head.find(_BASE64_MARK)
        if mark < 0:
            return None
        skip = mark + len(_BASE64_MARK)
        return start + skip if head[skip:].startswith(MAGICS) else None
    return start if head.startswith(MAGICS) else None


def strings(line: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of each long JSON string of ``line`` (without its quotes) that begins as a picture does."""
    quote = line.find(b'"')
    while quote >= 0:
        end = line.find(b'"', quote + 1)
        if end < 0:
            return
        if end - quote > SMALL and payload_start(line, quote + 1, end) is not None:
            yield quote + 1, end
        quote = end


def lift(line: bytes) -> tuple[bytes, list[memoryview]]:
    """The line with each picture string replaced by ``"\\u0000N"``, and the strings as views of the line.

    ``N`` is the index in the list. No JSON of Codex's has a NUL in a string of its own that is two characters long,
    and :func:`lifted` checks the index.
    """
    view, last = memoryview(line), 0
    parts: list[bytes | memoryview] = []
    found: list[memoryview] = []
    for start, end in strings(line):
        parts += [view[last:start], b"\\u0000%d" % len(found)]
        found.append(view[start:end])
        last = end
    if not found:
        return line, []
    return b"".join([*parts, view[last:]]), found


def lifted(value: object, found: list[memoryview]) -> Blob | None:
    """The string that stands behind a JSON value: a lifted one by its mark, any other as it is."""
    if not isinstance(value, str):
        return None
    if value[:1] != "\0":
        return value
    index = value[1:9]
    return found[int(index)] if index.isdecimal() and int(index) < len(found) else None


def _is_kind(data: bytes) -> bool:
    if data[:4] == b"RIFF":
        return data[8:12] == b"WEBP"
    return data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))
