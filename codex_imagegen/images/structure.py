"""Check the structure of a picture file without decoding pixels, and find data after its end.

The check needs a few milliseconds for a PNG of 6 MB, mostly for the checksums, so it can run each time a file has
grown. It needs no Pillow and depends on no setting of Pillow. It proves that the file is complete, not that its pixels
are valid: :mod:`~codex_imagegen.images.decode` decodes them.

Data after a picture's end may be a second file (a polyglot) or provenance. Such a picture is complete and paid for, so
it is delivered unchanged: which bytes to remove is unknown, and foreign data fits into a picture's own chunks as
well. The warning ``trailing-data`` reports it; any conversion (``--fit``, a name with another format's suffix) drops
it. A JPEG is not checked: cameras and phones append previews and depth maps by a standard (CIPA DC-007).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_imagegen.results import Picture, Warning_


MAX_PIXELS = 89_478_485
"""Pictures with more pixels are refused. It is Pillow's default limit (1/4 GiB as RGB)."""

_PNG = b"\x89PNG\r\n\x1a\n"
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""The marker that ends a scan. Within a scan, 0xFF is followed by 0 (escaped), a restart marker or fill bytes."""
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_SOI, _EOI, SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's SOF markers, without DHT, JPG and DAC in the same range."""
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD8), _SOI, _EOI})
"""JPEG's markers without a length: TEM, the restart markers, SOI and EOI."""
_WEBP_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


class DamagedImage(ValueError):
    """Bytes that are not a complete picture; the message has the reason."""


def is_complete(data: bytes) -> bool:
    """Whether the data begins with a structurally complete PNG, JPEG or WebP; other data may follow it.

    A PNG has its chunks with valid checksums up to IEND, a JPEG its segments and scans up to EOI, a WebP the length in
    its header. A truncated picture is never complete.
    """
    if data.startswith(_PNG):
        return _is_complete_png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _is_complete_jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _is_complete_webp(data)
    return False


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of each complete chunk of a PNG, up to IEND.

    A chunk is a length of four bytes, a name of four, the data, and a checksum of four over name and data.
    """
    at, name = len(_PNG), b""
    while name != b"IEND" and at + 12 <= len(data):
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield name, at, end
        at = end


def _is_complete_png(data: bytes) -> bool:
    view, names = memoryview(data), []
    for name, start, end in png_chunks(data):
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            return False
        names.append(name)
    return len(names) > 2 and names[0] == b"IHDR" and names[-1] == b"IEND" and b"IDAT" in names


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each complete segment of a JPEG, up to the first EOI.

    A scan belongs to its SOS. Data inside a segment, such as the EOI of a thumbnail, is skipped.
    """
    at = 0
    while (start := _jpeg_marker(data, at)) is not None:
        kind, at = data[start + 1], start + 2
        if kind not in _WITHOUT_LENGTH:
            size = int.from_bytes(data[at : at + 2], "big")  # it counts its own two bytes
            at += size if size >= 2 else len(data) + 1
        if kind == SOS:
            found = _MARKER_IN_SCAN.search(data, at)
            at = found.start() if found else len(data) + 1
        if at > len(data):
            return
        yield kind, start, at
        if kind == _EOI:
            return


def _jpeg_marker(data: bytes, at: int) -> int | None:
    """The offset of the next marker; fill bytes and other bytes before it are skipped, as in libjpeg."""
    found = _MARKER.search(data, at)
    return found.start() if found else None


def _is_complete_jpeg(data: bytes) -> bool:
    seen: set[int] = set()
    for kind, start, _end in jpeg_segments(data):
        if kind == _EOI:
            return SOS in seen
        if kind == _SOI and start:  # another picture begins before the end of this one
            return False
        if kind == SOS and not seen & _FRAMES:
            return False
        seen.add(kind)
    return False


def _is_complete_webp(data: bytes) -> bool:
    """RIFF's length counts from after itself; each chunk is a name, a length and the data, padded to an even length.

    The last chunk may lack its padding, and RIFF's length may exclude it.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        return False
    at, has_pixels = 12, False
    while at + 8 <= end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        has_pixels = has_pixels or data[at : at + 4] in _WEBP_PIXELS
        at += 8 + size + size % 2
    return has_pixels and at <= end + 1


def webp_size(data: bytes) -> tuple[int, int]:
    """Width and height of a WebP from its first chunk; (0, 0) if that has none."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0


def trailing_data_warnings(picture: Picture) -> tuple[Warning_, ...]:
    """A warning if data follows the picture's end."""
    size = trailing_bytes(picture)
    if not size:
        return ()
    from codex_imagegen.results import Warning_

    message = f"{size:,} bytes follow the picture's end and are not part of it; they are written unchanged"
    return (Warning_("trailing-data", message),)


def trailing_bytes(picture: Picture) -> int:
    """The number of bytes after the end of a complete PNG or WebP; 0 for a JPEG."""
    data = picture.data
    if picture.format == "png":
        return len(data) - _png_end(data)
    if picture.format == "webp":
        size = int.from_bytes(data[4:8], "little") + 8
        return max(0, len(data) - size - size % 2)  # a RIFF file is padded to an even length
    return 0


def _png_end(data: bytes) -> int:
    """The offset after IEND."""
    return next((end for name, _start, end in png_chunks(data) if name == b"IEND"), len(data))
