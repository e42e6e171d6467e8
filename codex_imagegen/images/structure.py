"""Whether the bytes of a picture are all there, by the structure of the file alone: no pixel is decoded.

This is fast enough to be asked each time a file has grown (a PNG of 6 MB takes a few milliseconds, mostly for the
checksums), needs no Pillow, and so depends on no setting of Pillow. It proves that the file is complete, and not that
its pixels are right: :mod:`~codex_imagegen.images.decode` decodes them.

What stands behind a picture's end, where nothing should: a second file, perhaps (a polyglot), or provenance.

Such a picture is whole and was paid for, so it is delivered as it came: bytes are not taken out, since nobody could say
which of them were meant, and a stranger's data fits into a picture's own chunks as well. The caller is told, with the
warning ``trailing-data``; any conversion (a name that ends in another format's suffix, ``--fit``) leaves it out. A
JPEG is not asked: cameras and phones put previews and depth maps there, by a standard of their own (CIPA DC-007).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_imagegen.results import Picture, Warning_


_PNG = b"\x89PNG\r\n\x1a\n"
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""The marker that ends a scan: within it, 0xFF is followed by 0 (escaped), a restart marker, or more fill bytes."""
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_SOI, _EOI, SOS = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's SOF markers, without DHT, JPG and DAC, which lie among them."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8), _SOI, _EOI})
"""JPEG's markers that no length follows: TEM, the restart markers, and both ends."""
_WEBP_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ANMF"})


def is_structurally_whole(data: bytes) -> bool:
    """Whether the data is a PNG, JPEG or WebP from its first mark to its last one; more may follow that.

    A PNG has its chunks and their checksums up to IEND, a JPEG its segments and scans up to EOI, a WebP the length that
    its header names. No proper beginning of a picture is whole.
    """
    if data.startswith(_PNG):
        return _is_whole_png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _is_whole_jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _is_whole_webp(data)
    return False


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The name of each chunk of a PNG and where it lies, up to IEND, as far as they are there whole.

    A chunk is a length of four bytes, a name of four, so many bytes, and a checksum of four over name and bytes.
    """
    at, name = len(_PNG), b""
    while name != b"IEND" and at + 12 <= len(data):
        name, end = data[at + 4 : at + 8], at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield name, at, end
        at = end


def _is_whole_png(data: bytes) -> bool:
    view, names = memoryview(data), []
    for name, start, end in png_chunks(data):
        if zlib.crc32(view[start + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            return False
        names.append(name)
    return len(names) > 2 and names[0] == b"IHDR" and names[-1] == b"IEND" and b"IDAT" in names


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The marker of each segment of a JPEG and where it lies, up to the first EOI, as far as they are there whole.

    A scan belongs to its SOS. The walk goes from marker to marker, so that what lies inside a segment (the EOI of a
    thumbnail) is passed over.
    """
    at = 0
    while (start := _jpeg_marker(data, at)) is not None:
        kind, at = data[start + 1], start + 2
        if kind not in _ALONE:
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
    """Where the next marker begins; fill bytes, and stray bytes as libjpeg passes over them, may precede it."""
    found = _MARKER.search(data, at)
    return found.start() if found else None


def _is_whole_jpeg(data: bytes) -> bool:
    seen: set[int] = set()
    for kind, start, _end in jpeg_segments(data):
        if kind == _EOI:
            return SOS in seen
        if kind == _SOI and start:  # another picture begins before this one has ended
            return False
        if kind == SOS and not seen & _FRAMES:
            return False
        seen.add(kind)
    return False


def _is_whole_webp(data: bytes) -> bool:
    """RIFF's length counts from behind itself; each chunk in it is a name, a length and so many bytes, padded to even.

    A last chunk may lack its padding, and RIFF's length may leave it out.
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
    """Width and height of a WebP, which its first chunk has; (0, 0) for one that says none."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    return 0, 0


def remarks(picture: Picture) -> tuple[Warning_, ...]:
    """The warning, if bytes follow the picture's end."""
    size = trailing(picture)
    if not size:
        return ()
    from codex_imagegen.results import Warning_

    told = f"{size:,} bytes follow the picture's end and are no part of it; written as they came"
    return (Warning_("trailing-data", told),)


def trailing(picture: Picture) -> int:
    """How many bytes follow the end of a whole PNG or WebP; 0 for a JPEG."""
    data = picture.data
    if picture.format == "png":
        return len(data) - _png_end(data)
    if picture.format == "webp":
        size = int.from_bytes(data[4:8], "little") + 8
        return max(0, len(data) - size - size % 2)  # a RIFF file is padded to an even length
    return 0


def _png_end(data: bytes) -> int:
    """Where IEND ends."""
    return next((end for name, _start, end in png_chunks(data) if name == b"IEND"), len(data))
