"""Small distinguishable pictures: noise does not compress, so a longer side means longer base64."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache

from PIL import Image


def image(side: int, seed: object = 0, mode: str = "RGB") -> Image.Image:
    """Noise of ``side`` × ``side`` pixels; another seed gives another picture."""
    bands = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    return Image.frombytes(mode, (side, side), random.Random(repr(seed)).randbytes(side * side * bands))


@cache
def encoded(side: int = 32, seed: object = 0, format: str = "PNG", mode: str = "RGB") -> bytes:  # noqa: A002
    """The same, as the bytes of a file."""
    target = io.BytesIO()
    image(side, seed, mode).save(target, format)
    return target.getvalue()


def torn(data: bytes) -> bytes:
    """The first half of a file."""
    return data[: len(data) // 2]


def pad_png(data: bytes, size: int) -> bytes:
    """The same PNG with at least ``size`` bytes: a large file that is quick to make and to read."""
    body = b"prVt" + bytes(size)
    chunk = struct.pack(">I", size) + body + struct.pack(">I", zlib.crc32(body))
    return data[:33] + chunk + data[33:]  # after the signature and the header
