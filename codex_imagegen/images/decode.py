"""Whether bytes are a whole picture: the kind by filetype, all its parts there, every pixel decoded by Pillow.

The answer is the same in every program (see :mod:`~codex_imagegen.images.pillow_decoder`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from codex_imagegen.images import structure
from codex_imagegen.request import PictureFormat

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from codex_imagegen.results import Picture

MAX_PIXELS = 89_478_485
"""Pictures with more pixels are refused: what Pillow's own limit is until a program sets another (1/4 GiB as RGB)."""

FORMATS: dict[str, PictureFormat] = {
    "image/png": "png",
    "image/apng": "png",
    "image/jpeg": "jpeg",
    "image/webp": "webp",
}


class DamagedImage(ValueError):
    """Bytes that are no whole picture; the message says in some words why."""


def warm() -> None:
    """Import what :func:`verify` needs, for a caller that has time now and will have none when a picture lands."""
    import filetype  # noqa: F401

    from codex_imagegen.images import pillow_decoder  # noqa: F401 - and with it Pillow, and its plug-ins for all three


def decode_picture(data: bytes, *, revised_prompt: str | None = None) -> Picture:
    """Decode the picture whole; raises :class:`Broken` when it is no PNG, JPEG or WebP, torn, or too large."""
    from codex_imagegen.results import Picture

    with decoded(data) as (image, kind):
        return Picture(data, kind, image.width, image.height, revised_prompt)


class decoded:  # noqa: N801 - reads as a verb where it is used
    """Context of (Pillow image with its pixels loaded, format) for bytes; raises :class:`Broken`."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __enter__(self) -> tuple[PillowImage, PictureFormat]:
        kind = kind_of(self.data)
        if kind is None:
            raise DamagedImage("it is no PNG, JPEG or WebP")
        try:
            self.image = _load(self.data, kind)
        except DamagedImage:
            raise
        except Exception as error:
            raise DamagedImage(f"it can't be decoded whole: {error}") from error
        return self.image, kind

    def __exit__(self, *_: object) -> None:
        self.image.close()


def kind_of(data: bytes) -> PictureFormat | None:
    """The format that the magic bytes name, or None."""
    import filetype

    kind = filetype.guess(data[:64])
    return FORMATS.get(cast(str, kind.mime)) if kind else None


def _load(data: bytes, kind: PictureFormat) -> PillowImage:
    if not structure.is_structurally_whole(data):
        raise DamagedImage("it can't be decoded whole: a part of it is missing or damaged")
    from codex_imagegen.images import pillow_decoder

    return pillow_decoder.decode(data, kind)
