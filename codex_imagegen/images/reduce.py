"""References that are too large to be sent: smaller copies of them, as like the original as there is room for.

Without loss first, then JPEG 95 in full colour (WebP where there is transparency), then fewer pixels. A copy stands
upright and keeps the colour profile; other metadata stay behind. What is small goes byte for byte.

Ways to encode a picture in fewer bytes: without loss, with a loss that nobody sees, and with fewer pixels.
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
from codex_imagegen.images.decode import MAX_PIXELS, decoded
from codex_imagegen.images.references import Reference
from codex_imagegen.request import PictureFormat
from codex_imagegen.results import Warning_

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


WAIT_SEC = 0.2


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """What may be sent at most: bytes of each file, bytes of all files together, pixels of each."""

    each: int
    total: int
    pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class _Copy:
    """What is sent of a reference, and a description of it; ``made`` is False for the original."""

    data: bytes
    format: PictureFormat
    size: tuple[int, int]
    made: bool = False

    def fits(self, level: int, room: SizeLimits) -> bool:
        return len(self.data) <= level and not self.is_wide(room)

    def is_wide(self, room: SizeLimits) -> bool:
        return self.size[0] * self.size[1] > room.pixels

    def __str__(self) -> str:
        return f"{render.size(len(self.data))} ({self.format.upper()}, {self.size[0]} × {self.size[1]})"


_lock = threading.Lock()
_latest: tuple[object, list[_Copy]] | None = None
"""What was made last, for several pictures of the same references: five large ones take some seconds."""


def fit(
    references: Sequence[Reference], room: SizeLimits, check: Callable[[], None] = lambda: None
) -> tuple[list[Reference], tuple[Warning_, ...]]:
    """The references as they are sent, and a warning for each that became smaller.

    What is over is taken from the largest alone: all of them are cut to one level, and who is below it keeps
    everything. ``check`` is called now and then, and what it raises ends the work.
    """
    before = [_Copy(one.data, one.format, one.size) for one in references]
    level = _level(before, room)
    if all(copy.fits(level, room) for copy in before):
        return list(references), ()
    after = _remembered(before, room, check)
    sent = [
        replace(one, data=copy.data, format=copy.format, size=copy.size, original=one.data) if copy.made else one
        for one, copy in zip(references, after, strict=True)
    ]
    return sent, tuple(_warning(*what) for what in zip(references, before, after, strict=True) if what[2].made)


def _warning(reference: Reference, before: _Copy, after: _Copy) -> Warning_:
    told = f"the reference {reference.given!r} is too large to arrive: {before} became a copy of {after}"
    return Warning_("reference-reduced", told)


def _remembered(before: list[_Copy], room: SizeLimits, check: Callable[[], None]) -> list[_Copy]:
    """The copies, made once for runs that go on at the same time or one after the other."""
    global _latest  # noqa: PLW0603 - one entry: some 24 MB at most
    key = room, tuple((hashlib.sha256(copy.data).digest(), copy.size) for copy in before)
    while not _lock.acquire(timeout=WAIT_SEC):
        check()
    try:
        if _latest is None or _latest[0] != key:
            _latest = key, _reduced(before, room, check)
        return _latest[1]
    finally:
        _lock.release()


def _reduced(before: list[_Copy], room: SizeLimits, check: Callable[[], None]) -> list[_Copy]:
    """Each step is taken by all that are too large still, and what one saves is there for the others' next step."""
    now = list(before)
    for step in STEPS:
        level = _level(now, room)
        for index, copy in enumerate(now):
            if not copy.fits(level, room):
                check()
                now[index] = _stepped(before[index], copy, step, level, room)
    return now


def _stepped(original: _Copy, copy: _Copy, step: Step, level: int, room: SizeLimits) -> _Copy:
    with decoded(original.data) as (image, kind):
        upright(image)
        made = step(within(image, pixels=room.pixels), kind, level)
    if made is None or (len(made.data) >= len(copy.data) and not copy.is_wide(room)):
        return copy
    return _Copy(made.data, made.format, made.size, made=True)


def _level(copies: Sequence[_Copy], room: SizeLimits) -> int:
    """The bytes to which each is cut, so that all together have room."""
    left = room.total
    for count, size in zip(range(len(copies), 0, -1), sorted(len(copy.data) for copy in copies), strict=True):
        if size > left // count:
            return min(left // count, room.each)
        left -= size
    return room.each


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


STEPS: tuple[Step, ...] = (lossless, lossy, scaled)
"""From the copy that is most like the original to the one that fits in any case."""
