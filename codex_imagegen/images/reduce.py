"""Copies of references that can't be sent as they are, as close to the original as the limits permit.

A format that the model does not take (see :mod:`references`) is converted to PNG. A copy that is too large is
made losslessly first, then as JPEG 95 in full colour (WebP with transparency), then with fewer pixels. Each copy is
rotated upright and keeps the colour profile, and no other metadata. Small PNG, JPEG and WebP references are sent byte
for byte.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.images.convert import JPEG_QUALITY
from codex_imagegen.images.references import LOSSY, Reference, ReferenceFormat, open_reference
from codex_imagegen.images.structure import MAX_PIXELS
from codex_imagegen.request import SUFFIXES, PictureFormat
from codex_imagegen.results import Warning_

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


WAIT_SEC = 0.2

FEWEST_SIDE = 2048
"""Pixels of the long side that a copy keeps if that fits: more than the models use."""

_MAX_WEBP_SIDE = 16_383
"""WebP's limit."""

_SAMPLES, _SAMPLE_SIDE = 9, 256
_MAX_ESTIMATE = 1.5
"""A lossless copy takes a second or two: it is skipped if samples predict more than this factor of the limit."""

_PROFILE_SHARE = 0.25
"""The largest share of the limit for a colour profile: printers' profiles have megabytes."""


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Limits of what may be sent: bytes of each file, bytes of all files, pixels of each picture."""

    each: int
    total: int
    pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class _Copy:
    """The data to send for a reference; ``is_reduced`` is False for the original, and for the same pixels as PNG."""

    data: bytes
    format: ReferenceFormat
    size: tuple[int, int]
    is_reduced: bool = False

    def fits(self, max_bytes: int, limits: SizeLimits) -> bool:
        return self.can_be_sent and len(self.data) <= max_bytes and not self.is_wide(limits)

    @property
    def can_be_sent(self) -> bool:
        """Whether the model takes this format."""
        return self.format in SUFFIXES

    def is_wide(self, limits: SizeLimits) -> bool:
        return self.size[0] * self.size[1] > limits.pixels

    def __str__(self) -> str:
        return f"{render.size(len(self.data))} ({self.format.upper()}, {self.size[0]} × {self.size[1]})"


_lock = threading.Lock()
_last_result: tuple[object, list[_Copy]] | None = None
"""The last copies, for further runs with the same references: five large ones take some seconds."""


def reduce_to_fit(
    references: Sequence[Reference], limits: SizeLimits, check: Callable[[], None] = lambda: None
) -> tuple[list[Reference], tuple[Warning_, ...]]:
    """The references to send, in formats that the model takes, and a warning for each that was reduced.

    Only the largest are reduced: one maximum size applies to all, and references below it are unchanged. ``check`` is
    called repeatedly, and an exception of it ends the work.
    """
    before = [_Copy(reference.data, reference.format, reference.size) for reference in references]
    max_bytes = _max_bytes(before, limits)
    if all(copy.fits(max_bytes, limits) for copy in before):
        return list(references), ()
    after = _reduce_once(before, limits, check)
    sent = [
        ref
        if copy.data == ref.data
        else replace(ref, data=copy.data, format=copy.format, size=copy.size, original=ref.data)
        for ref, copy in zip(references, after, strict=True)
    ]
    return sent, tuple(_warning(*what) for what in zip(references, before, after, strict=True) if what[2].is_reduced)


def _warning(reference: Reference, before: _Copy, after: _Copy) -> Warning_:
    converted = "" if before.can_be_sent else " as a PNG"
    message = f"the reference {reference.given!r} is too large to send{converted}: {before} became a copy of {after}"
    return Warning_("reference-reduced", message)


def _reduce_once(before: list[_Copy], limits: SizeLimits, check: Callable[[], None]) -> list[_Copy]:
    """The copies, made once for parallel and successive runs with the same references."""
    global _last_result  # noqa: PLW0603 - one entry: some 24 MB at most
    key = limits, tuple((hashlib.sha256(copy.data).digest(), copy.size) for copy in before)
    while not _lock.acquire(timeout=WAIT_SEC):
        check()
    try:
        if _last_result is None or _last_result[0] != key:
            _last_result = key, _reduce(before, limits, check)
        return _last_result[1]
    finally:
        _lock.release()


def _reduce(before: list[_Copy], limits: SizeLimits, check: Callable[[], None]) -> list[_Copy]:
    """Apply each step to all copies that are still too large. Bytes saved by one are available to the others."""
    now = [copy if copy.can_be_sent or copy.is_wide(limits) else _to_png(copy, limits, check) for copy in before]
    for step in STEPS:
        max_bytes = _max_bytes(now, limits)
        for index, copy in enumerate(now):
            if not copy.fits(max_bytes, limits):
                check()
                now[index] = _apply_step(before[index], copy, step, max_bytes, limits)
    return now


def _to_png(original: _Copy, limits: SizeLimits, check: Callable[[], None]) -> _Copy:
    """The same pixels as PNG, or the original where the PNG would be far too large to send."""
    check()
    with open_reference(original.data) as (image, _kind):
        rotate_upright(image)
        if _estimated_bytes(_eight_bit(image)) > limits.each * _MAX_ESTIMATE:
            return original
        encoded = _encode(image, "png", limits.each)
    return _Copy(encoded.data, encoded.format, encoded.size)


def _apply_step(original: _Copy, copy: _Copy, step: Step, max_bytes: int, limits: SizeLimits) -> _Copy:
    with open_reference(original.data) as (image, kind):
        rotate_upright(image)
        encoded = step(downscaled(image, pixels=limits.pixels), kind, max_bytes)
    if encoded is None or (copy.can_be_sent and len(encoded.data) >= len(copy.data) and not copy.is_wide(limits)):
        return copy
    return _Copy(encoded.data, encoded.format, encoded.size, is_reduced=True)


def _max_bytes(copies: Sequence[_Copy], limits: SizeLimits) -> int:
    """The maximum bytes of each copy so that all of them together fit."""
    left = limits.total
    for count, size in zip(range(len(copies), 0, -1), sorted(len(copy.data) for copy in copies), strict=True):
        if size > left // count:
            return min(left // count, limits.each)
        left -= size
    return limits.each


@dataclass(frozen=True, slots=True)
class Encoded:
    """An encoded picture; ``size`` is width and height in pixels."""

    data: bytes
    format: PictureFormat
    size: tuple[int, int]


Step = Callable[["PillowImage", ReferenceFormat, int], Encoded | None]
"""Takes an upright image, its original format and a limit in bytes; returns a copy, which may not fit yet."""


def lossless(image: PillowImage, kind: ReferenceFormat, max_bytes: int) -> Encoded | None:
    """The same pixels (the upper 8 bits of 16-bit channels, as Pillow reads them), or None for a photograph."""
    if kind in LOSSY:
        return None
    if _colour_space(image.mode) == "GRAY" or max(image.size) > _MAX_WEBP_SIDE:
        return _encode(image, "png", max_bytes)  # a WebP has colours of eight bits
    converted = _eight_bit(image)
    if _estimated_bytes(converted) > max_bytes * _MAX_ESTIMATE:
        return None
    return _encode(converted, "webp", max_bytes, lossless=True, exact=True)


def lossy(image: PillowImage, _kind: ReferenceFormat, max_bytes: int) -> Encoded:
    """All pixels as JPEG in full colour, or as WebP if any pixel is transparent."""
    converted = _eight_bit(downscaled(image, side=_MAX_WEBP_SIDE))
    if converted.mode == "RGBA":
        return _encode(converted, "webp", max_bytes, quality=JPEG_QUALITY)
    return _encode(converted, "jpeg", max_bytes, quality=JPEG_QUALITY, subsampling=0)


def with_fewer_pixels(image: PillowImage, kind: ReferenceFormat, max_bytes: int) -> Encoded:
    """A lossy copy with as many pixels as fit."""
    encoded = lossy(image, kind, max_bytes)
    side = max(encoded.size)
    while len(encoded.data) > max_bytes and side > 1:
        fewer = int(side * min(0.98, 0.98 * math.sqrt(max_bytes / len(encoded.data))))
        side = FEWEST_SIDE if fewer < FEWEST_SIDE < side else max(fewer, 1)
        encoded = lossy(downscaled(image, side=side), kind, max_bytes)
    return encoded


def rotate_upright(image: PillowImage) -> None:
    """Rotate the image by its EXIF orientation, which many readers ignore, above all in a WebP."""
    from PIL import ImageOps

    with contextlib.suppress(Exception):  # ignore invalid EXIF data
        ImageOps.exif_transpose(image, in_place=True)


def downscaled(image: PillowImage, *, side: int | None = None, pixels: int | None = None) -> PillowImage:
    """The image scaled down to a maximum of pixels, of its long side or in total."""
    from PIL import Image

    factor = min(
        1.0,
        side / max(image.size) if side else 1.0,
        math.sqrt(pixels / (image.width * image.height)) if pixels else 1.0,
    )
    if factor == 1.0:
        return image
    size = tuple(max(1, int(length * factor + 1e-6)) for length in image.size)
    return _eight_bit(image).resize(size, Image.Resampling.LANCZOS)


def _estimated_bytes(image: PillowImage) -> float:
    """The estimated bytes of a lossless copy, from samples of the image; 0 for an image hardly larger than those."""
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
    """Whether the image is grey with more than eight bits, as a scan or a depth map."""
    return image.mode.startswith("I")


def _eight_bit(image: PillowImage) -> PillowImage:
    """The image in an 8-bit mode that can be scaled and encoded; RGBA only if a pixel is transparent."""
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


def _encode(image: PillowImage, format_: PictureFormat, max_bytes: int, **options: object) -> Encoded:
    target = io.BytesIO()
    profile = image.info.get("icc_profile") or b""
    if len(profile) > max_bytes * _PROFILE_SHARE or profile[16:20].strip() != _colour_space(image.mode).encode():
        profile = b""
    image.save(target, format_.upper(), icc_profile=profile or None, exif=b"", **options)
    return Encoded(target.getvalue(), format_, image.size)


def _colour_space(mode: str) -> str:
    """The colour space that a profile for this mode names."""
    if mode.startswith(("1", "I", "L")):
        return "GRAY"
    return "CMYK" if mode == "CMYK" else "RGB"


STEPS: tuple[Step, ...] = (lossless, lossy, with_fewer_pixels)
"""From the copy closest to the original to the one that always fits."""
