"""Complete pictures are decoded, and others are refused."""

from __future__ import annotations

import io
import struct
import threading
import zlib

import pytest
from PIL import Image

from codex_imagegen.images.decode import decode_picture, detect_format
from codex_imagegen.images.structure import MAX_PIXELS, DamagedImage
from codex_imagegen.results import Picture
from tests.support.pictures import encoded, image, torn

FORMATS = [("PNG", "png"), ("JPEG", "jpeg"), ("WEBP", "webp")]


def png(width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunk(*one) for one in chunks)


@pytest.mark.parametrize(("format_", "name"), FORMATS)
def test_complete_picture_is_decoded(format_: str, name: str):
    data = encoded(40, format=format_)
    assert decode_picture(data, revised_prompt="a fox") == Picture(data, name, 40, 40, "a fox")
    assert detect_format(data) == name


@pytest.mark.parametrize(("format_", "_name"), FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.99])
def test_truncated_picture_is_damaged(format_: str, _name: str, share: float):
    data = encoded(200, format=format_)
    with pytest.raises(DamagedImage):
        decode_picture(data[: int(len(data) * share)])


def test_flipped_bit_is_damaged():
    data = bytearray(encoded(60))
    data[len(data) // 2] ^= 1
    with pytest.raises(DamagedImage, match="decoded completely"):
        decode_picture(bytes(data))


@pytest.mark.parametrize("cut", [1, 4, 12])
def test_png_without_its_end_is_damaged(cut: int):
    with pytest.raises(DamagedImage):
        decode_picture(encoded(60)[:-cut])


@pytest.mark.parametrize("data", [b"", b"x", b"hello" * 99, b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF0000WEBP"])
def test_other_bytes_are_damaged(data: bytes):
    with pytest.raises(DamagedImage):
        decode_picture(data)


@pytest.mark.parametrize("format_", ["GIF", "BMP", "TIFF", "ICO"])
def test_other_formats_are_refused(format_: str):
    with pytest.raises(DamagedImage, match="not a PNG, JPEG or WebP"):
        decode_picture(encoded(format=format_))


@pytest.mark.parametrize("side", [12_000, 100_000])
def test_bomb_is_refused_by_its_size(side: int):
    bomb = png(side, side, (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    with pytest.raises(DamagedImage, match="pixels"):
        decode_picture(bomb)


def test_text_chunk_that_unpacks_to_gigabytes_is_refused():
    squeezed = zlib.compress(b"\0" * (80 * 1024 * 1024))
    pixels = (b"IDAT", zlib.compress(b"\0\1\2\3"))
    with pytest.raises(DamagedImage):
        decode_picture(png(1, 1, (b"zTXt", b"x\0\0" + squeezed), pixels, (b"IEND", b"")))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_every_mode_is_decoded(mode: str):
    assert decode_picture(encoded(20, mode=mode)).width == 20


def test_animation_is_a_picture():
    target = io.BytesIO()
    image(30).save(target, "WEBP", save_all=True, append_images=[image(30, 1)], duration=10)
    assert decode_picture(target.getvalue()).format == "webp"


def test_tall_picture_is_decoded():
    target = io.BytesIO()
    Image.new("RGB", (7, 300)).save(target, "PNG")
    assert (decode_picture(target.getvalue()).width, decode_picture(target.getvalue()).height) == (7, 300)


def test_pictures_are_decoded_concurrently():
    good, bad = encoded(80), torn(encoded(80))
    found: list[bool] = []

    def look(data: bytes) -> None:
        try:
            found.append(decode_picture(data).data == data)
        except DamagedImage:
            found.append(False)

    threads = [threading.Thread(target=look, args=(data,)) for data in (good, bad) * 8]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [False] * 8 + [True] * 8


def test_pixel_limit_is_that_of_pillow():
    assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS
