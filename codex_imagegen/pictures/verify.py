"""Whether bytes are a whole picture: the kind by filetype, every pixel decoded by Pillow."""

from __future__ import annotations

import io
import threading
import warnings
from typing import TYPE_CHECKING, cast

from codex_imagegen.model import PictureFormat

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from codex_imagegen.outcome import Picture

MAX_PIXELS = 89_478_485
"""Pictures with more pixels are refused: Pillow's own limit, at which it begins to warn (a quarter of 1 GiB as RGB)."""

FORMATS: dict[str, PictureFormat] = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}
_PNG_END = b"IEND\xaeB`\x82"
_opening = threading.Lock()


class Broken(ValueError):
    """Bytes that are no whole picture; the message says in some words why."""


def warm() -> None:
    """Import what :func:`verify` needs, for a caller that has time now and will have none when a picture lands."""
    import filetype  # noqa: F401
    from PIL import Image

    Image.preinit()


def verify(data: bytes, *, revised_prompt: str | None = None) -> Picture:
    """Decode the picture whole; raises :class:`Broken` when it is no PNG, JPEG or WebP, torn, or too large."""
    from codex_imagegen.outcome import Picture

    with decoded(data) as (image, kind):
        return Picture(data, kind, image.width, image.height, revised_prompt)


class decoded:  # noqa: N801 - reads as a verb where it is used
    """Context of (Pillow image with its pixels loaded, format) for bytes; raises :class:`Broken`."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __enter__(self) -> tuple[PillowImage, PictureFormat]:
        kind = kind_of(self.data)
        if kind is None:
            raise Broken("it is no PNG, JPEG or WebP")
        try:
            self.image = _load(self.data, kind)
        except Broken:
            raise
        except Exception as error:
            raise Broken(f"it can't be decoded whole: {error}") from error
        return self.image, kind

    def __exit__(self, *_: object) -> None:
        self.image.close()


def kind_of(data: bytes) -> PictureFormat | None:
    """The format that the magic bytes name, or None."""
    import filetype

    kind = filetype.guess(data[:64])
    return FORMATS.get(cast(str, kind.mime)) if kind else None


def _load(data: bytes, kind: PictureFormat) -> PillowImage:
    _open(data, kind).verify()  # the checksums of a PNG's chunks; it leaves the image unusable
    if kind == "png" and _PNG_END not in data:
        raise Broken("its end is missing")  # Pillow would not miss the last four bytes
    image = _open(data, kind)
    image.load()
    return image


def _open(data: bytes, kind: PictureFormat) -> PillowImage:
    from PIL import Image

    with _opening, warnings.catch_warnings():  # the filters are the process's, hence the lock
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=(kind.upper(),))
        except Image.DecompressionBombError as error:
            raise Broken(f"it has more than {MAX_PIXELS:,} pixels") from error
    if image.width * image.height > MAX_PIXELS:
        raise Broken(f"its {image.width:,} × {image.height:,} pixels are more than {MAX_PIXELS:,}")
    return image
