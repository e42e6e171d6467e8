"""Complete pictures are recognized by their structure, and no prefix of them is complete."""

from __future__ import annotations

import io
import subprocess
import sys
import zlib
from typing import Any

import pytest
from PIL import Image

from codex_imagegen.images.structure import is_complete
from tests.support.pictures import encoded, image


def saved(format_: str, mode: str = "RGB", side: int = 24, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image(side).convert(mode).save(buffer, format_, **options)
    return buffer.getvalue()


def with_exif_thumbnail() -> bytes:
    """A JPEG with another complete JPEG, including its EOI, in a comment."""
    return saved("JPEG", comment=encoded(16, format="JPEG"))


def multi_picture() -> bytes:
    buffer = io.BytesIO()
    image(24).save(buffer, "MPO", save_all=True, append_images=[image(12)])
    return buffer.getvalue()


def with_fill_bytes() -> bytes:
    """A JPEG with fill bytes before its markers, as the standard allows (B.1.1.2)."""
    data = saved("JPEG")
    scan = data.index(b"\xff\xda")
    return data[:2] + b"\xff\xff" + data[2:scan] + b"\xff\xff\xff" + data[scan:-2] + b"\xff\xff" + data[-2:]


PICTURES = {
    "png": saved("PNG"),
    "png-alpha": saved("PNG", mode="RGBA"),
    "png-palette": saved("PNG", mode="P"),
    "png-animated": saved("PNG", save_all=True, append_images=[image(24, seed=1)]),
    "jpeg": saved("JPEG"),
    "jpeg-progressive": saved("JPEG", progressive=True),
    "jpeg-restarts": saved("JPEG", restart_marker_blocks=1),
    "jpeg-grey": saved("JPEG", mode="L"),
    "jpeg-cmyk": saved("JPEG", mode="CMYK"),
    "jpeg-thumbnail": with_exif_thumbnail(),
    "jpeg-fill-bytes": with_fill_bytes(),
    "webp": saved("WEBP"),
    "webp-lossless": saved("WEBP", lossless=True),
    "webp-alpha": saved("WEBP", mode="RGBA"),
    "webp-exif": saved("WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
    "webp-animated": saved("WEBP", save_all=True, append_images=[image(24, seed=1)]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_complete_picture_is_complete_and_no_prefix_of_it_is(name: str):
    data = PICTURES[name]
    assert is_complete(data)
    for size in range(len(data)):
        assert not is_complete(data[:size]), size


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("more", [b"\0" * 5, b"\xff\xd8\xff\xd9", b"IEND", b"a second file" * 9])
def test_data_behind_the_end_changes_nothing(name: str, more: bytes):
    assert is_complete(PICTURES[name] + more)


def test_first_picture_of_several_in_one_jpeg_decides():
    data = multi_picture()
    end = data.index(b"\xff\xd9\xff\xd8") + 2
    assert is_complete(data)
    assert is_complete(data[:end])
    assert not is_complete(data[: end - 1])


def test_flipped_bits_of_a_png_are_detected():
    data = PICTURES["png"]
    for at in range(len(data)):
        assert not is_complete(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]), at


def chunk(name: bytes, body: bytes = b"") -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


PNG = b"\x89PNG\r\n\x1a\n"
HEADER = chunk(b"IHDR", bytes(13))
FRAME = b"\xff\xc0\x00\x02"
SCAN = b"\xff\xda\x00\x02\x11"


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (PNG + HEADER + chunk(b"IDAT") + chunk(b"IEND"), True),
        (PNG + HEADER + chunk(b"IEND"), False),
        (PNG + chunk(b"IDAT") + HEADER + chunk(b"IEND"), False),
        (PNG + HEADER + chunk(b"IDAT") + b"\xff\xff\xff\xff" + b"IEND" + bytes(99), False),
        (b"\xff\xd8" + FRAME + SCAN + b"\xff\xd9", True),
        (b"\xff\xd8" + SCAN + b"\xff\xd9", False),
        (b"\xff\xd8" + FRAME + b"\xff\xd9", False),
        (b"\xff\xd8\xff\xd9", False),
        (b"\xff\xd8" + FRAME + SCAN + b"\xff\xd8\xff\xd9", False),
        (b"\xff\xd8" + FRAME + SCAN + b"\x11\xff\x00\xff\xd3\x11\xff\x01\xff\xd9", True),
        (b"\xff\xd8\xff\xe0\x00\x01" + FRAME + SCAN + b"\xff\xd9", False),
        (b"\xff\xd8\xff\xe0\x00", False),
        (b"\xff\xd8" + FRAME + b"stray\xff\x00bytes" + SCAN + b"\xff\xd9", True),
        (b"\xff\xd8" + b"\xff" * 99, False),
        (b"RIFF\x04\0\0\0WEBP", False),
        (b"RIFF\x0c\0\0\0WEBPVP8 \0\0\0\0", True),
        (b"RIFF\x0c\0\0\0WEBPEXIF\0\0\0\0", False),
        (b"RIFF\x0c\0\0\0WEBPVP8 \xff\0\0\0", False),
        (b"RIFF\xff\xff\xff\xffWEBPVP8 \0\0\0\0", False),
        (b"RIFF\0\0\0\0WEBP", False),
        (b"RIFF\x04\0\0\0WAVE", False),
        (b"RIFF", False),
        (b"\xff\xd8", False),
        (b"GIF89a", False),
        (b"", False),
    ],
)
def test_structure_of_constructed_files(data: bytes, whole: bool):
    assert is_complete(data) is whole


def test_pillow_is_not_imported():
    code = "import sys, codex_imagegen.images.structure; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pictures_of_the_table_are_pictures():
    for data in PICTURES.values():
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
