"""Ways to encode a picture in fewer bytes: without loss, with a loss that nobody sees, and with fewer pixels."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_imagegen.images.convert import JPEG_QUALITY
from codex_imagegen.request import PictureFormat

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

FEWEST_SIDE = 2048
"""Pixels of the long side that a copy keeps while that fits: more than the models look at."""

_MAX_SIDE = 16_383
"""WebP's limit."""

_SAMPLES, _SAMPLE_SIDE = 9, 256
_HOPELESS = 1.5
"""A lossless copy takes a second or two: it is not made where samples of it say that it is larger by this factor."""

_PROFILE_SHARE = 0.25
"""Of the room, what a colour profile may take: those of printers have megabytes."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture in a file's bytes; ``size`` is width and height in pixels."""

    data: bytes
    format: PictureFormat
    size: tuple[int, int]


Step = Callable[["PillowImage", PictureFormat, int], Encoded | None]
"""An upright image, the format that it was in, and the bytes that there is room for → a copy, which may not fit yet."""


def lossless(image: PillowImage, kind: PictureFormat, level: int) -> Encoded | None:
    """The very pixels (of 16 bits a channel, where Pillow has eight, those eight), or None: JPEG can't be bettered."""
    if kind == "jpeg":
        return None
    if _space(image.mode) == "GRAY" or max(image.size) > _MAX_SIDE:
        return _encoded(image, "png", level)  # a WebP is coloured, and has eight bits
    drawn = _flat(image)
    if _sampled(drawn) > level * _HOPELESS:
        return None
    return _encoded(drawn, "webp", level, lossless=True, exact=True)


def lossy(image: PillowImage, _kind: PictureFormat, level: int) -> Encoded:
    """All pixels as JPEG in full colour, or as WebP where any of them is transparent."""
    drawn = _flat(within(image, side=_MAX_SIDE))
    if drawn.mode == "RGBA":
        return _encoded(drawn, "webp", level, quality=JPEG_QUALITY)
    return _encoded(drawn, "jpeg", level, quality=JPEG_QUALITY, subsampling=0)


def scaled(image: PillowImage, kind: PictureFormat, level: int) -> Encoded:
    """The same with as many pixels as there is room for."""
    made = lossy(image, kind, level)
    side = max(made.size)
    while len(made.data) > level and side > 1:
        fewer = int(side * min(0.98, 0.98 * math.sqrt(level / len(made.data))))
        side = FEWEST_SIDE if fewer < FEWEST_SIDE < side else max(fewer, 1)
        made = lossy(within(image, side=side), kind, level)
    return made


def upright(image: PillowImage) -> None:
    """Turn the image as its EXIF orientation means it: not every reader looks there, least of all in a WebP."""
    from PIL import ImageOps

    with contextlib.suppress(Exception):  # broken EXIF data, which says nothing then
        ImageOps.exif_transpose(image, in_place=True)


def within(image: PillowImage, *, side: int | None = None, pixels: int | None = None) -> PillowImage:
    """The image in fewer pixels where it has more: of its long side, or in all."""
    from PIL import Image

    factor = min(
        1.0,
        side / max(image.size) if side else 1.0,
        math.sqrt(pixels / (image.width * image.height)) if pixels else 1.0,
    )
    if factor == 1.0:
        return image
    size = tuple(max(1, int(length * factor + 1e-6)) for length in image.size)
    return _flat(image).resize(size, Image.Resampling.LANCZOS)


def _sampled(image: PillowImage) -> float:
    """The bytes that a lossless copy takes, as samples from all over the image say; 0 where it is hardly larger."""
    width, height = image.size
    if width * height < 4 * _SAMPLES * _SAMPLE_SIDE**2:
        return 0
    size = 0
    for index in range(_SAMPLES):
        left = max(0, width - _SAMPLE_SIDE) * (index % 3) // 2
        top = max(0, height - _SAMPLE_SIDE) * (index // 3) // 2
        box = (left, top, min(width, left + _SAMPLE_SIDE), min(height, top + _SAMPLE_SIDE))
        target = io.BytesIO()
        image.crop(box).save(target, "WEBP", lossless=True, exact=True)
        size += len(target.getvalue()) * width * height // ((box[2] - box[0]) * (box[3] - box[1]) * _SAMPLES)
    return size


def _is_deep(image: PillowImage) -> bool:
    """Whether it is grey of more than eight bits, as a scan or a depth map."""
    return image.mode.startswith("I")


def _flat(image: PillowImage) -> PillowImage:
    """The same in a mode of eight bits that can be scaled and encoded; RGBA only where something shows through."""
    if image.mode in {"L", "RGB", "CMYK"} and not image.has_transparency_data:
        return image
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        opaque = layered.getchannel("A").getextrema() == (255, 255)
        flat = layered.convert("RGB") if opaque else layered
    elif _is_deep(image):
        flat = image.point(lambda value: value * (1 / 257)).convert("L")
    else:
        flat = image.convert("L" if image.mode == "1" else "RGB")
    flat.info["icc_profile"] = image.info.get("icc_profile")
    return flat


def _encoded(image: PillowImage, wanted: PictureFormat, level: int, **options: object) -> Encoded:
    target = io.BytesIO()
    profile = image.info.get("icc_profile") or b""
    if len(profile) > level * _PROFILE_SHARE or profile[16:20].strip() != _space(image.mode).encode():
        profile = b""
    image.save(target, wanted.upper(), icc_profile=profile or None, exif=b"", **options)
    return Encoded(target.getvalue(), wanted, image.size)


def _space(mode: str) -> str:
    """The colour space that a profile for pixels of this mode names."""
    if mode.startswith(("1", "I", "L")):
        return "GRAY"
    return "CMYK" if mode == "CMYK" else "RGB"
