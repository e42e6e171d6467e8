"""Sixel, DEC's way of 1984 that many terminals still know: bands of six rows, each drawn colour by colour.

A byte is a column of a band: 63 and a bit for each row that has the colour. ``!7?`` is seven of them; ``$`` goes back
to the band's beginning for the next colour, ``-`` down to the next band.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = 128
_BAND = 6
_RUN = re.compile(rb"(.)\1{3,}", re.DOTALL)
_EMPTY = 63


def encode(image: Image) -> str:
    """An RGB picture as a sixel sequence, in :data:`COLOURS` colours."""
    small = image.quantize(COLOURS)
    width, height = small.size
    palette, pixels = small.getpalette() or [], small.tobytes()
    bands = (pixels[at : at + width * _BAND] for at in range(0, width * height, width * _BAND))
    body = b"-".join(b"$".join(_band(band, width)) for band in bands)
    colours = "".join(_colour(number, palette) for number in sorted(set(pixels)))
    # 1: what is not drawn stays as it was; then the aspect ratio of a pixel, and the picture's size
    return f'\x1bP0;1q"1;1;{width};{height}{colours}{body.decode("ascii")}\x1b\\'


def _colour(number: int, palette: list[int]) -> str:
    """A colour's definition, in parts of a hundred."""
    red, green, blue = (round(value * 100 / 255) for value in palette[number * 3 : number * 3 + 3])
    return f"#{number};2;{red};{green};{blue}"


def _band(band: bytes, width: int) -> Iterator[bytes]:
    """The band in each of its colours."""
    rows = [band[at : at + width] for at in range(0, len(band), width)]
    for colour in set(band):
        bits = 0
        for bit, row in enumerate(rows):
            # every byte of this colour becomes the row's bit, every other one 0: a row is then one large number
            if colour in row:
                bits |= int.from_bytes(row.translate(_table(colour, bit)), "big")
        columns = bits.to_bytes(width, "big").translate(_PRINTABLE).rstrip(bytes([_EMPTY]))
        yield b"#%d" % colour + _RUN.sub(lambda run: b"!%d%c" % (len(run[0]), run[1]), columns)


@cache
def _table(colour: int, bit: int) -> bytes:
    return bytes(colour) + bytes([1 << bit]) + bytes(255 - colour)


_PRINTABLE = bytes(min(value + _EMPTY, 255) for value in range(256))
