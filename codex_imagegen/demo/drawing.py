"""Draw a landscape for any prompt: hills at some hour of the day, always the same for the same prompt."""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

SIDE = 1254
"""Pixels of each side: the size of a square picture of GPT Image 2 (about 1.57 megapixels)."""

_RIDGES = 6


def draw(prompt: str, *, side: int = SIDE) -> bytes:
    """A PNG of ``side`` × ``side`` pixels. The prompt's hash decides the hour, colours and hills."""
    from PIL import Image

    rng = random.Random(hashlib.sha256(prompt.encode(errors="replace")).digest())  # noqa: S311 - not used for a secret
    hue = rng.random()
    image = _sky(side, hue, rng)
    _sun(image, side, hue, rng)
    for ridge in range(_RIDGES):
        depth = (ridge + 1) / _RIDGES
        layer = Image.new("RGB", (side, side), _colour(hue + 0.08 * depth, 0.35 + 0.3 * depth, 0.72 - 0.62 * depth))
        image.paste(layer, mask=_ridge(side, depth, rng))
    target = io.BytesIO()
    image.save(target, "PNG", pnginfo=_provenance())
    return target.getvalue()


def _sky(side: int, hue: float, rng: random.Random) -> PillowImage:
    from PIL import Image

    low, high = _colour(hue + 0.09, 0.30, 1.0), _colour(hue - 0.06, 0.55, 0.55)
    bend = 0.7 + rng.random()
    column = Image.new("RGB", (1, side))
    for y in range(side):
        share = (y / side) ** bend
        column.putpixel((0, y), tuple(round(h + (w - h) * share) for h, w in zip(high, low, strict=True)))
    return column.resize((side, side))


def _sun(image: PillowImage, side: int, hue: float, rng: random.Random) -> None:
    from PIL import Image, ImageDraw, ImageFilter

    x, y, radius = side * rng.uniform(0.2, 0.8), side * rng.uniform(0.15, 0.42), side * rng.uniform(0.06, 0.11)
    for reach, strength in ((2.6, 70), (1.5, 110), (1.0, 235)):
        mask = Image.new("L", image.size)
        ring = radius * reach
        ImageDraw.Draw(mask).ellipse((x - ring, y - ring, x + ring, y + ring), fill=strength)
        mask = mask.filter(ImageFilter.GaussianBlur(radius * (reach - 0.9) / 2 + 1))
        image.paste(Image.new("RGB", image.size, _colour(hue + 0.13, 0.12, 1.0)), mask=mask)


def _ridge(side: int, depth: float, rng: random.Random) -> PillowImage:
    from PIL import Image, ImageDraw

    waves = [(rng.uniform(0.4, 1.4) * 2**n, rng.uniform(0, math.tau), 0.07 / 1.7**n) for n in range(5)]
    base = 0.36 + 0.52 * depth

    def height(x: float) -> float:
        return side * (base + sum(size * math.sin(math.tau * pace * x + start) for pace, start, size in waves))

    top = [(x, height(x / side)) for x in range(0, side + 6, 6)]
    mask = Image.new("L", (side, side))
    ImageDraw.Draw(mask).polygon([*top, (side, side), (0, side)], fill=255)
    return mask


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(1.0, saturation), max(0.0, value))
    return round(red * 255), round(green * 255), round(blue * 255)


def _provenance() -> object:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Software", "codex-imagegen demo")
    return info
