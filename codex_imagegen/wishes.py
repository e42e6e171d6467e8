"""How a picture should look, from the words that a user types; the same for the command line, a batch and the API."""

from __future__ import annotations

import re
from typing import Any

from codex_imagegen.errors import UsageError
from codex_imagegen.request import PictureFormat, Wishes

RESOLUTIONS = ("1k", "2k", "4k")
QUALITIES = ("low", "medium", "high")
FORMATS: dict[str, PictureFormat] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
MAX_SIDE = 9459
"""Pixels: the side of the largest square that is decoded here (see ``pictures.verify.MAX_PIXELS``)."""

_SIZE = re.compile(r"(\d{1,5})[xX×_](\d{1,5})\Z")
_RATIO = re.compile(r"(\d{1,3}):(\d{1,3})\Z")


def parse(
    *,
    size: str | None = None,
    aspect_ratio: str | None = None,
    resolution: str | None = None,
    quality: str | None = None,
    transparent: bool = False,
    format: str | None = None,  # noqa: A002 - the option's own name
    fit: bool = False,
) -> Wishes:
    """The wishes that these words mean; raises :class:`UsageError` for words that mean none."""
    wishes = Wishes(
        size=_size(size),
        aspect_ratio=_ratio(aspect_ratio),
        resolution=_one_of("--resolution", resolution, RESOLUTIONS),
        quality=_one_of("--quality", quality, QUALITIES),
        transparent=transparent,
        format=_format(format),
        fit=fit,
    )
    if wishes.fit and wishes.size is None:
        raise UsageError("--fit needs a size to fit", hint="give --size WxH too")
    if wishes.transparent and wishes.format == "jpeg":
        raise UsageError("a JPEG can't be transparent", hint="use --format png or webp")
    return wishes


def ratio_of(wishes: Wishes) -> float | None:
    """Width divided by height, where a size or a ratio was wished for."""
    if wishes.size:
        return wishes.size[0] / wishes.size[1]
    if wishes.aspect_ratio:
        width, height = wishes.aspect_ratio.split(":")
        return int(width) / int(height)
    return None


def _size(text: str | None) -> tuple[int, int] | None:
    if text is None or text == "auto":
        return None
    found = _SIZE.match(text)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise UsageError(f"--size can't be {text!r}", hint="give width and height in pixels, such as 1024x1536")
    return width, height


def _ratio(text: str | None) -> str | None:
    if text is None:
        return None
    found = _RATIO.match(text)
    if not found or not int(found[1]) or not int(found[2]):
        raise UsageError(f"--aspect-ratio can't be {text!r}", hint="give width to height, such as 16:9")
    return f"{int(found[1])}:{int(found[2])}"


def _format(text: str | None) -> PictureFormat | None:
    if text is None:
        return None
    found = FORMATS.get(text.lower())
    if found is None:
        raise UsageError(f"--format can't be {text!r}", hint="use png, jpeg or webp")
    return found


def _one_of(option: str, text: Any, allowed: tuple[str, ...]) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str) or text.lower() not in allowed:
        raise UsageError(f"{option} can't be {text!r}", hint=f"use {', '.join(allowed)}")
    return text.lower()
