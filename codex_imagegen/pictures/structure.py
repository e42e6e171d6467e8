"""Whether the bytes of a picture are all there, by the structure of the file alone: no pixel is decoded.

This is fast enough to be asked each time a file has grown (a PNG of 6 MB takes a few milliseconds, mostly for the
checksums), needs no Pillow, and so depends on no setting of Pillow. It proves that the file is complete, and not that
its pixels are right: :mod:`~codex_imagegen.pictures.verify` decodes them.
"""

from __future__ import annotations

import re
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_MARKER_IN_SCAN = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
"""The marker that ends a scan: within it, 0xFF is followed by 0 (escaped), a restart marker, or more fill bytes."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's SOF markers, without DHT, JPG and DAC, which lie among them."""
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
"""JPEG's markers that no length follows: TEM and the restart markers."""
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


def _is_whole_png(data: bytes) -> bool:
    """Chunks are a length of four bytes, a name of four, so many bytes, and a checksum of four over name and bytes."""
    view, at, has_pixels = memoryview(data), len(_PNG), False
    if data[at + 4 : at + 8] != b"IHDR":
        return False
    while at + 12 <= len(data):
        name, end = data[at + 4 : at + 8], at + 8 + int.from_bytes(view[at : at + 4], "big")
        if end + 4 > len(data) or zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            return False
        if name == b"IEND":
            return has_pixels
        has_pixels = has_pixels or name == b"IDAT"
        at = end + 4
    return False


def _is_whole_jpeg(data: bytes) -> bool:
    """The walk goes from marker to marker, so that what lies inside a segment (a thumbnail's EOI) is passed over."""
    at, has_frame, has_scan = 2, False, False
    while (marker := _jpeg_marker(data, at)) is not None:
        kind, at = marker
        if kind == 0xD9:  # EOI
            return has_scan
        if kind == 0xD8:  # a second SOI: another picture begins before this one has ended
            return False
        if kind in _ALONE:
            continue
        at = _after_segment(data, at)
        has_frame = has_frame or kind in _FRAMES
        if kind == 0xDA:  # SOS: its pixels follow, up to the next marker that is none of a scan
            found = _MARKER_IN_SCAN.search(data, at)
            if found is None or not has_frame:
                return False
            at, has_scan = found.start(), True
    return False


def _jpeg_marker(data: bytes, at: int) -> tuple[int, int] | None:
    """The next marker and where it ends; fill bytes, and stray bytes as libjpeg passes over them, may precede it."""
    while (at := data.find(b"\xff", at)) >= 0:
        while data[at : at + 1] == b"\xff":
            at += 1
        if at < len(data) and data[at]:
            return data[at], at + 1
    return None


def _after_segment(data: bytes, at: int) -> int:
    """Where a segment ends; its length counts its own two bytes. Past the data where it is not there whole."""
    size = int.from_bytes(data[at : at + 2], "big")
    return at + size if size >= 2 else len(data)


def _is_whole_webp(data: bytes) -> bool:
    """RIFF's length counts from behind itself; each chunk in it is a name, a length and so many bytes, padded to even.

    A last chunk may lack its padding, and a length may leave it out.
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
