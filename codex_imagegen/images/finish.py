"""A picture in the format and the size that were promised: made over only where it is not so already."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_imagegen.request import PictureFormat, Wishes
    from codex_imagegen.results import Picture


def finish(picture: Picture, format: PictureFormat | None, wishes: Wishes) -> Picture:  # noqa: A002 - its own name
    """The picture in ``format`` (or the one wished for, or its own), cropped to the wished size if it shall ``fit``.

    The very same object where nothing is to be done, so that its bytes are written as they came. Raises
    :class:`OutUnwritable` when the format can't hold it.
    """
    wanted = format or wishes.format or picture.format
    size = wishes.size if wishes.fit and wishes.size != (picture.width, picture.height) else None
    if wanted == picture.format and size is None:
        return picture
    from codex_imagegen.images.convert import convert  # it needs Pillow, and most pictures need nothing

    return convert(picture, wanted, size)
