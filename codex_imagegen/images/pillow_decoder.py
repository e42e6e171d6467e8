"""A picture's pixels, decoded by Pillow with none of the settings that a host program may have changed in it.

What Pillow makes of a damaged file depends on the process: ``ImageFile.LOAD_TRUNCATED_IMAGES`` passes over errors,
``Image.MAX_IMAGE_PIXELS`` refuses large pictures or lets all through, another plug-in may be registered for a format,
and warnings may have been turned into errors. A library can't change these even for a moment, since other threads use
them. So a picture is opened by its own class instead of ``Image.open``, what Pillow would warn of is left out, and the
decoders are wrapped in ones that raise where Pillow would look at its settings.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import Any, ClassVar

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from codex_imagegen.images import structure
from codex_imagegen.images.decode import MAX_PIXELS, DamagedImage
from codex_imagegen.request import PictureFormat

MAX_TEXT, MAX_TEXTS = 1024 * 1024, 64 * 1024 * 1024
"""Bytes that one packed text of a PNG may have, and all of them: Pillow's own limits until a program sets others."""

_core: Any = vars(Image)["core"]
_EXIF = b"Exif\0\0"
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_EXTRAS = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
"""JPEG's APPn segments and its comments; JFIF's and Adobe's say how the colours are meant."""
_PACKED = {
    b"zTXt": re.compile(rb"[^\0]*\0\0"),
    b"iCCP": re.compile(rb"[^\0]*\0\0"),
    b"iTXt": re.compile(rb"[^\0]*\0[^\0]\0[^\0]*\0[^\0]*\0"),
}
"""What precedes the compressed bytes in a PNG's chunks of text."""


def decode(data: bytes, kind: PictureFormat) -> Image.Image:
    """The picture with its pixels, and with its metadata as far as Pillow can read that.

    Raises :class:`Broken` where it is too large, and any exception where its pixels can't be decoded whole.
    """
    if kind == "png":
        _check_texts(data)
    ways = {"png": (_png, _png_bare), "jpeg": (_jpeg, _jpeg_bare), "webp": (_webp, _webp_by_plugin)}
    first, second = ways[kind]
    try:
        return first(data)
    except DamagedImage:
        raise
    except Exception:  # noqa: BLE001 - of whatever kind: whether it was the metadata shows without it
        return second(data)


def _png(data: bytes) -> Image.Image:
    """An animation shows its still picture: Pillow warns of one that it can't follow."""
    names = {name for name, _start, _end in structure.png_chunks(data)}
    return _png_of(_without(data, _ANIMATION) if names & _ANIMATION else data)


def _png_bare(data: bytes) -> Image.Image:
    """Only what the pixels need: the chunks with a capital letter in front, and the transparency of a palette."""
    names = {name for name, _start, _end in structure.png_chunks(data)}
    return _png_of(_without(data, {name for name in names if name[0] & 0x20 and name != b"tRNS"}))


def _without(data: bytes, names: frozenset[bytes] | set[bytes]) -> bytes:
    return data[:8] + b"".join(data[a:b] for name, a, b in structure.png_chunks(data) if name not in names)


def _png_of(data: bytes) -> Image.Image:
    return _loaded(PngImagePlugin.PngImageFile(io.BytesIO(data)))


def _jpeg(data: bytes) -> Image.Image:
    """The EXIF is put back unread: Pillow would look for a resolution in it, and may warn."""
    segments = list(structure.jpeg_segments(data))
    exif = [(a, b) for marker, a, b in segments if marker == 0xE1 and data.startswith(_EXIF, a + 4)]
    image = _jpeg_of(data, [(a, b) for _marker, a, b in segments if (a, b) not in exif])
    if exif:
        image.info["exif"] = _EXIF + b"".join(data[a + 4 + len(_EXIF) : b] for a, b in exif)
    return image


def _jpeg_bare(data: bytes) -> Image.Image:
    return _jpeg_of(data, [(a, b) for marker, a, b in structure.jpeg_segments(data) if marker not in _EXTRAS])


def _jpeg_of(data: bytes, segments: list[tuple[int, int]]) -> Image.Image:
    return _loaded(JpegImagePlugin.JpegImageFile(io.BytesIO(b"".join(data[a:b] for a, b in segments))))


def _webp(data: bytes) -> Image.Image:
    """The first frame, without Pillow's class for WebP: that asks the host's limit of pixels, whoever calls it."""
    from PIL import _webp

    size = _checked(structure.webp_size(data))
    decoder = _webp.WebPAnimDecoder(data)
    mode = decoder.get_info()[-1]
    pixels, _time = decoder.get_next()
    image = Image.frombytes("RGBA" if mode == "RGBA" else "RGB", size, pixels, "raw", mode)
    extras = {"icc_profile": "ICCP", "exif": "EXIF", "xmp": "XMP "}
    image.info |= {key: value for key, name in extras.items() if (value := decoder.get_chunk(name))}
    return image


def _webp_by_plugin(data: bytes) -> Image.Image:
    """By Pillow's class, should another Pillow have another decoder."""
    return _loaded(WebPImagePlugin.WebPImageFile(io.BytesIO(data)))


def _loaded(image: ImageFile.ImageFile) -> Image.Image:
    _checked(image.size)
    image.tile = [tile._replace(codec_name=_STRICT.get(tile.codec_name, tile.codec_name)) for tile in image.tile]
    image.load()
    return image


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    if size[0] * size[1] > MAX_PIXELS:
        raise DamagedImage(f"its {size[0]:,} × {size[1]:,} pixels are more than {MAX_PIXELS:,}")
    return size


def _check_texts(data: bytes) -> None:
    """Raise :class:`Broken` for texts that unpack to more than anybody writes: such a picture is made to do harm."""
    total = 0
    for name, start, end in structure.png_chunks(data):
        body = data[start + 8 : end - 4] if name in _PACKED else b""
        if before := body and _PACKED[name].match(body):
            size = _unpacked_size(body[before.end() :])
            total += size
            if size > MAX_TEXT or total > MAX_TEXTS:
                raise DamagedImage("a text in it unpacks to too many bytes")


def _unpacked_size(packed: bytes) -> int:
    """How many bytes there would be, or one more than are allowed; 0 for what can't be unpacked."""
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_TEXT + 1))
    except zlib.error:
        return 0


class _Strict(ImageFile.PyDecoder):
    """One of Pillow's decoders, whose errors, and whose want of data, raise at once."""

    name: ClassVar[str]
    _has_ended = False

    def init(self, args: tuple[Any, ...]) -> None:
        self._decoder = getattr(_core, f"{self.name}_decoder")(self.mode, *args)

    def setimage(self, im: Any, extents: tuple[int, int, int, int] | None = None) -> None:
        self._decoder.setimage(im, extents)

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Decode more; a negative number of bytes means that it has ended."""
        used, error = self._decoder.decode(buffer)
        self._has_ended = used < 0
        if error < 0:
            raise OSError(f"the {self.name} decoder failed with error {error}")
        return int(used), int(error)

    def cleanup(self) -> None:
        """End, which Pillow asks for after an error too."""
        self._decoder.cleanup()
        if not self._has_ended:
            raise OSError("its pixels end too early")


def _registered() -> Iterator[tuple[str, str]]:
    """Register the strict decoders under names of their own; Pillow's stay as they are."""
    for codec in ("zip", "jpeg"):
        if hasattr(_core, f"{codec}_decoder"):
            name = f"codex-imagegen-{codec}"
            Image.register_decoder(name, type("_Strict", (_Strict,), {"name": codec}))
            yield codec, name


_STRICT = dict(_registered())
