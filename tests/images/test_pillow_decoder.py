"""Decoding is independent of a host program's settings of Pillow and ``warnings``."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageFile, PngImagePlugin

from codex_imagegen.images.decode import decode_picture, open_image
from codex_imagegen.images.structure import MAX_PIXELS, DamagedImage
from tests.support.pictures import encoded, image

KINDS = ["PNG", "JPEG", "WEBP"]


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*chunks: bytes, side: int = 40) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def rows(side: int = 40) -> bytes:
    return zlib.compress(b"\0" * (3 * side + 1) * side)


def jpeg_with_bad_huffman_table() -> bytes:
    """A structurally complete picture that no decoder can read."""
    data = bytearray(encoded(40, format="JPEG"))
    at = data.index(b"\xff\xc4")
    data[at + 5 : at + 21] = b"\xff" * 16
    return bytes(data)


def jpeg_with_odd_exif() -> bytes:
    """A JPEG without a resolution whose EXIF names more data than it has, so that Pillow warns."""
    target = io.BytesIO()
    entry = struct.pack("<HHII", 0x011A, 5, 1, 0xFFFF)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)
    image(40).save(target, "JPEG", exif=exif)
    data = target.getvalue()
    return data[:2] + data[20:]  # without the JFIF segment


def png_with_odd_animation() -> bytes:
    """A PNG that claims to be an animation of no pictures, so that Pillow warns."""
    return png(chunk(b"acTL", bytes(8)), chunk(b"IDAT", rows()))


WHOLE = {
    "png": lambda: encoded(40),
    "jpeg": lambda: encoded(40, format="JPEG"),
    "webp": lambda: encoded(40, format="WEBP"),
    "webp alpha": lambda: encoded(40, format="WEBP", mode="RGBA"),
    "jpeg odd exif": jpeg_with_odd_exif,
    "png odd animation": png_with_odd_animation,
    "png odd profile": lambda: png(chunk(b"iCCP", b"x\0\x07"), chunk(b"IDAT", rows())),
    "png text": lambda: png(chunk(b"zTXt", b"k\0\0" + zlib.compress(b"x" * 5000)), chunk(b"IDAT", rows())),
}
BROKEN = {
    "png half": lambda: encoded(200)[:60_000],
    "jpeg half": lambda: encoded(200, format="JPEG")[:20_000],
    "webp half": lambda: encoded(200, format="WEBP")[:10_000],
    "png fewer rows": lambda: png(chunk(b"IDAT", rows()[:-12])),
    "png bad stream": lambda: png(chunk(b"IDAT", b"x\x9c" + b"\xff" * 40)),
    "png text bomb": lambda: png(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2_000_000))), chunk(b"IDAT", rows())),
    "jpeg bad table": jpeg_with_bad_huffman_table,
    "bomb": lambda: png(chunk(b"IDAT", rows()), side=12_000),
}
HOSTS = {
    "as it is": "",
    "passes over errors": "ImageFile.LOAD_TRUNCATED_IMAGES = True",
    "no limit of pixels": "Image.MAX_IMAGE_PIXELS = None",
    "few pixels": "Image.MAX_IMAGE_PIXELS = 100",
    "little text": "PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 10",
    "much text": "PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 10**9",
    "warnings are errors": "warnings.simplefilter('error')",
    "own plug-ins": (
        "[Image.register_open(kind, lambda fp, name: Image.new('RGB', (1, 1))) for kind in ('PNG', 'JPEG', 'WEBP')]"
    ),
}
_HOST = """
import json, sys, warnings
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
exec(sys.argv[1])
from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.structure import MAX_PIXELS, DamagedImage
def known():
    return (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK,
            dict(Image.OPEN), dict(Image.SAVE), list(warnings.filters), warnings.showwarning)
before, found = known(), {}
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        data = file.read()
    try:
        picture = decode_picture(data)
        found[path] = [picture.width, picture.height]
    except DamagedImage as error:
        found[path] = "broken"
print(json.dumps([found, known() == before]))
"""


@pytest.mark.parametrize("host", HOSTS)
def test_host_settings_change_no_result(tmp_path: Path, host: str):
    expected: dict[str, object] = {}
    for name, data in (WHOLE | BROKEN).items():
        path = tmp_path / name
        path.write_bytes(data())
        expected[str(path)] = [40, 40] if name in WHOLE else "broken"
    argv = [sys.executable, "-c", _HOST, HOSTS[host], *expected]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""  # nor is anybody warned
    assert json.loads(done.stdout) == [expected, True]


@pytest.mark.parametrize("name", BROKEN)
def test_damaged_picture_is_damaged_while_host_ignores_errors(monkeypatch, name: str):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(DamagedImage):
        decode_picture(BROKEN[name]())


@pytest.mark.parametrize("format_", KINDS)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "LA", "CMYK", "I;16", "1"])
def test_pixels_are_those_that_pillow_reads(format_: str, mode: str):
    target = io.BytesIO()
    try:
        image(40).convert("I" if mode == "I;16" else mode).convert(mode).save(target, format_)
    except (OSError, ValueError):
        pytest.skip("the format has no such pixels")
    with open_image(target.getvalue()) as (found, _kind), Image.open(target) as expected:
        assert found.mode == expected.mode
        assert found.tobytes() == expected.tobytes()
        assert found.has_transparency_data == expected.has_transparency_data


@pytest.mark.parametrize("format_", KINDS)
def test_metadata_is_that_which_pillow_reads(format_: str):
    target = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    more = {"pnginfo": PngImagePlugin.PngInfo()} if format_ == "PNG" else {}
    if more:
        more["pnginfo"].add_itxt("Title", "ein Fuchs")
    image(40).save(target, format_, exif=exif.tobytes(), icc_profile=b"profile" * 9, dpi=(300, 300), **more)
    with open_image(target.getvalue()) as (found, _kind), Image.open(target) as expected:
        expected.load()
        for key in ("exif", "icc_profile", "xmp", "dpi"):
            assert found.info.get(key) == expected.info.get(key), key
        assert found.getexif()[0x0112] == 6
        assert getattr(found, "text", None) == getattr(expected, "text", None)


def test_another_pillow_without_the_decoder_of_webp(monkeypatch):
    from PIL import _webp

    monkeypatch.delattr(_webp, "WebPAnimDecoder")
    with pytest.raises(DamagedImage):
        decode_picture(encoded(41, format="WEBP"))
    monkeypatch.undo()
    monkeypatch.setattr("codex_imagegen.images.structure.webp_size", lambda _data: (1000, 1000))
    assert decode_picture(encoded(41, format="WEBP")).width == 41  # by Pillow's own class


def test_limit_is_kept_where_host_has_none(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(DamagedImage, match=f"more than {MAX_PIXELS:,}"):
        decode_picture(BROKEN["bomb"]())


def test_decoder_never_uses_catch_warnings(monkeypatch):
    """It replaces a list of the whole process: two threads in it leave the filters changed."""
    monkeypatch.setattr("warnings.catch_warnings", None)
    for data in WHOLE.values():
        decode_picture(data())


def test_preload_has_loaded_what_each_format_needs():
    code = """
import sys
from codex_imagegen.images import decode
decode.preload()
before = set(sys.modules)
for data in map(bytes.fromhex, sys.argv[1:]):
    decode.decode_picture(data)
assert {"PIL._webp", "PIL._imaging"} <= before
print(*sorted(name for name in set(sys.modules) - before if name.startswith("PIL")))
"""
    pictures = [encoded(8, format=format_).hex() for format_ in KINDS]
    done = subprocess.run([sys.executable, "-c", code, *pictures], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
