"""A picture small enough for a message: the file itself where it is, else a copy with fewer pixels."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

from codex_imagegen.images.decode import decoded

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

MAX_SIDE = 1024
"""Pixels: as large as it is shown in a conversation, and less than what models scale pictures down to."""

_MIN_SIDE = 32
_QUALITY = 85
_STEP = 0.75


def preview(data: bytes, limit: int) -> tuple[str, str] | None:
    """The picture as (base64 of at most ``limit`` characters, its MIME type), or None where no copy is small enough."""
    with decoded(data) as (image, kind):
        if max(image.size) <= MAX_SIDE and len(text := _base64(data)) <= limit:
            return text, f"image/{kind}"
        side = MAX_SIDE
        while side >= _MIN_SIDE:
            copy, kind_of_copy = _copy(image, side)
            if len(text := _base64(copy)) <= limit:
                return text, kind_of_copy
            side = int(side * _STEP)
    return None


def _copy(image: PillowImage, side: int) -> tuple[bytes, str]:
    """A copy of at most so many pixels on a side: a JPEG, or a PNG where something shines through."""
    transparent = image.has_transparency_data
    small = image.convert("RGBA" if transparent else "RGB")
    small.thumbnail((side, side))
    target = io.BytesIO()
    if transparent:
        small.save(target, "PNG", optimize=True)
        return target.getvalue(), "image/png"
    small.save(target, "JPEG", quality=_QUALITY)
    return target.getvalue(), "image/jpeg"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
