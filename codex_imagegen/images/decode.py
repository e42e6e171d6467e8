"""Decode bytes as a complete picture: format by filetype, structure by :mod:`structure`, pixels by Pillow.

The answer does not depend on the host program (see :mod:`~codex_imagegen.images.pillow_decoder`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from codex_imagegen.images import structure
from codex_imagegen.images.structure import DamagedImage
from codex_imagegen.request import PictureFormat

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from codex_imagegen.results import Picture

FORMATS: dict[str, PictureFormat] = {
    "image/png": "png",
    "image/apng": "png",
    "image/jpeg": "jpeg",
    "image/webp": "webp",
}


def preload() -> None:
    """Import what :func:`decode_picture` needs, while Codex draws, so that the picture is decoded without delay."""
    import filetype  # noqa: F401

    from codex_imagegen.images import pillow_decoder  # noqa: F401 - with Pillow and its plug-ins


def decode_picture(data: bytes, *, revised_prompt: str | None = None) -> Picture:
    """Decode the picture; raises :class:`DamagedImage` if it is not a PNG, JPEG or WebP, is incomplete or too large."""
    from codex_imagegen.results import Picture

    with open_image(data) as (image, kind):
        return Picture(data, kind, image.width, image.height, revised_prompt)


class open_image:  # noqa: N801 - used like a function
    """A context manager of (Pillow image with loaded pixels, format); raises :class:`DamagedImage`."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __enter__(self) -> tuple[PillowImage, PictureFormat]:
        kind = detect_format(self.data)
        if kind is None:
            raise DamagedImage("it is not a PNG, JPEG or WebP")
        try:
            self.image = _load(self.data, kind)
        except DamagedImage:
            raise
        except Exception as error:
            raise DamagedImage(f"it can't be decoded completely: {error}") from error
        return self.image, kind

    def __exit__(self, *_: object) -> None:
        self.image.close()


def detect_format(data: bytes) -> PictureFormat | None:
    """The format that the magic bytes name, or None."""
    import filetype

    kind = filetype.guess(data[:64])
    return FORMATS.get(cast(str, kind.mime)) if kind else None


def _load(data: bytes, kind: PictureFormat) -> PillowImage:
    if not structure.is_complete(data):
        raise DamagedImage("it can't be decoded completely: a part of it is missing or damaged")
    from codex_imagegen.images import pillow_decoder

    return pillow_decoder.decode(data, kind)
