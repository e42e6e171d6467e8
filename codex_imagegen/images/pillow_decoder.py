"""Decode pixels with Pillow, independently of the settings that a host program may have changed.

How Pillow treats a damaged file depends on settings of the process: ``ImageFile.LOAD_TRUNCATED_IMAGES`` ignores errors,
``Image.MAX_IMAGE_PIXELS`` refuses large pictures or none, another plug-in may be registered for a format, and warnings
may have been turned into errors. A library can't change these even for a moment, since other threads use them. So a
picture is opened by its own class instead of ``Image.open``, chunks that Pillow would warn of are left out, and the
decoders are wrapped: the wrappers raise where Pillow would consult its settings.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import Any, ClassVar

from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from codex_imagegen.images import structure
from codex_imagegen.images.structure import MAX_PIXELS, DamagedImage
from codex_imagegen.request import PictureFormat

MAX_TEXT, MAX_TEXTS = 1024 * 1024, 64 * 1024 * 1024
"""The limits in bytes of one unpacked text of a PNG, and of all of them: Pillow's defaults."""

_core: Any = vars(Image)["core"]
_EXIF = b"Exif\0\0"
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_EXTRAS = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})
"""JPEG's APPn segments and comments, without those of JFIF and Adobe, which define the colours."""
_PACKED = {
    b"zTXt": re.compile(rb"[^\0]*\0\0"),
    b"iCCP": re.compile(rb"[^\0]*\0\0"),
    b"iTXt": re.compile(rb"[^\0]*\0[^\0]\0[^\0]*\0[^\0]*\0"),
}
"""The bytes before the compressed ones in a PNG's text chunks."""


def decode(data: bytes, kind: PictureFormat) -> Image.Image:
    """The picture with its pixels, and with the metadata that Pillow can read.

    Raises :class:`DamagedImage` if it is too large, and any exception if its pixels can't be decoded completely.
    """
    if kind == "png":
        _check_texts(data)
    decoders = {
        "png": (_png, _png_without_metadata),
        "jpeg": (_jpeg, _jpeg_without_metadata),
        "webp": (_webp, _webp_by_plugin),
    }
    first, second = decoders[kind]
    try:
        return first(data)
    except DamagedImage:
        raise
    except Exception:  # noqa: BLE001 - the metadata may be the cause: decode without it
        return second(data)


def _png(data: bytes) -> Image.Image:
    """Decode a PNG; an animation without its animation chunks, since Pillow warns of some that it can't read."""
    names = {name for name, _start, _end in structure.png_chunks(data)}
    return _open_png(_without_chunks(data, _ANIMATION) if names & _ANIMATION else data)


def _png_without_metadata(data: bytes) -> Image.Image:
    """Decode only the critical chunks, whose names begin with a capital letter, and a palette's transparency."""
    names = {name for name, _start, _end in structure.png_chunks(data)}
    return _open_png(_without_chunks(data, {name for name in names if name[0] & 0x20 and name != b"tRNS"}))


def _without_chunks(data: bytes, names: frozenset[bytes] | set[bytes]) -> bytes:
    return data[:8] + b"".join(data[a:b] for name, a, b in structure.png_chunks(data) if name not in names)


def _open_png(data: bytes) -> Image.Image:
    return load(PngImagePlugin.PngImageFile(io.BytesIO(data)))


def _jpeg(data: bytes) -> Image.Image:
    """Decode a JPEG without its EXIF, in which Pillow would look for a resolution and may warn; then put it back."""
    segments = list(structure.jpeg_segments(data))
    exif = [(a, b) for marker, a, b in segments if marker == 0xE1 and data.startswith(_EXIF, a + 4)]
    image = _open_jpeg(data, [(a, b) for _marker, a, b in segments if (a, b) not in exif])
    if exif:
        image.info["exif"] = _EXIF + b"".join(data[a + 4 + len(_EXIF) : b] for a, b in exif)
    return image


def _jpeg_without_metadata(data: bytes) -> Image.Image:
    return _open_jpeg(data, [(a, b) for marker, a, b in structure.jpeg_segments(data) if marker not in _EXTRAS])


def _open_jpeg(data: bytes, segments: list[tuple[int, int]]) -> Image.Image:
    return load(JpegImagePlugin.JpegImageFile(io.BytesIO(b"".join(data[a:b] for a, b in segments))))


def _webp(data: bytes) -> Image.Image:
    """Decode the first frame without Pillow's class for WebP, which checks the host's pixel limit."""
    from PIL import _webp

    size = check_size(structure.webp_size(data))
    decoder = _webp.WebPAnimDecoder(data)
    mode = decoder.get_info()[-1]
    pixels, _time = decoder.get_next()
    image = Image.frombytes("RGBA" if mode == "RGBA" else "RGB", size, pixels, "raw", mode)
    extras = {"icc_profile": "ICCP", "exif": "EXIF", "xmp": "XMP "}
    image.info |= {key: value for key, name in extras.items() if (value := decoder.get_chunk(name))}
    return image


def _webp_by_plugin(data: bytes) -> Image.Image:
    """Decode with Pillow's class, in case another Pillow has another decoder."""
    return load(WebPImagePlugin.WebPImageFile(io.BytesIO(data)))


def load(image: ImageFile.ImageFile) -> Image.Image:
    """Decode the pixels of a picture that Pillow has opened; raises any exception if some are missing or damaged."""
    check_size(image.size)
    image.tile = [tile._replace(codec_name=_STRICT.get(tile.codec_name, tile.codec_name)) for tile in image.tile]
    image.load()
    return image


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size; raises :class:`DamagedImage` for more pixels than are decoded here."""
    if size[0] * size[1] > MAX_PIXELS:
        raise DamagedImage(f"its {size[0]:,} × {size[1]:,} pixels are more than {MAX_PIXELS:,}")
    return size


def _check_texts(data: bytes) -> None:
    """Raise :class:`DamagedImage` for texts that unpack to too many bytes, as in a decompression bomb."""
    total = 0
    for name, start, end in structure.png_chunks(data):
        body = data[start + 8 : end - 4] if name in _PACKED else b""
        if before := body and _PACKED[name].match(body):
            size = _unpacked_size(body[before.end() :])
            total += size
            if size > MAX_TEXT or total > MAX_TEXTS:
                raise DamagedImage("a text in it unpacks to too many bytes")


def _unpacked_size(packed: bytes) -> int:
    """The size after unpacking, at most one byte over the limit; 0 for data that can't be unpacked."""
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_TEXT + 1))
    except zlib.error:
        return 0


class _Strict(ImageFile.PyDecoder):
    """A wrapper of one of Pillow's decoders that raises at once for errors and for missing data."""

    name: ClassVar[str]
    _has_ended = False

    def init(self, args: tuple[Any, ...]) -> None:
        self._decoder = getattr(_core, f"{self.name}_decoder")(self.mode, *args)

    def setimage(self, im: Any, extents: tuple[int, int, int, int] | None = None) -> None:
        self._decoder.setimage(im, extents)

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Decode more; a negative number of bytes means the end."""
        used, error = self._decoder.decode(buffer)
        self._has_ended = used < 0
        if error < 0:
            raise OSError(f"the {self.name} decoder failed with error {error}")
        return int(used), int(error)

    def cleanup(self) -> None:
        """End the decoder; Pillow calls this after an error too."""
        self._decoder.cleanup()
        if not self._has_ended:
            raise OSError("its pixels end too early")


def _register_strict_decoders() -> Iterator[tuple[str, str]]:
    """Register the strict decoders under new names; Pillow's own are unchanged."""
    for codec in ("zip", "jpeg", "raw", "gif", "packbits"):
        if hasattr(_core, f"{codec}_decoder"):
            name = f"codex-imagegen-{codec}"
            Image.register_decoder(name, type("_Strict", (_Strict,), {"name": codec}))
            yield codec, name


_STRICT = dict(_register_strict_decoders())
