"""A picture encoded anew: in another format, at another size, or both; only where the user asked for it.

A picture in the format and the size that were promised: made over only where it is not so already.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from codex_imagegen.errors import OutUnwritable
from codex_imagegen.images.decode import decoded
from codex_imagegen.request import PictureFormat
from codex_imagegen.results import Picture

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from codex_imagegen.request import ImageOptions, PictureFormat
    from codex_imagegen.results import Picture


JPEG_QUALITY = 95
"""High enough that nobody sees it; Pillow's documentation calls more than 95 a waste."""

_OPTIONS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True},
    "jpeg": {"quality": JPEG_QUALITY, "subsampling": 0},
}
_KEPT = ("exif", "icc_profile", "xmp", "dpi")


def convert(picture: Picture, wanted: PictureFormat, size: tuple[int, int] | None = None) -> Picture:
    """Encode the picture as ``wanted``, at ``size`` (width, height in pixels) where one is given.

    A size is met exactly: scaled until it covers the frame, and cropped around the centre. EXIF, XMP, colour profile,
    resolution and, from PNG to PNG, text are kept where the format has a place for them; what it can't hold (JPEG:
    transparency) is laid on white. Raises :class:`OutUnwritable` when the format can't hold the picture at all.
    """
    with decoded(picture.data) as (image, _kind):
        keep = {key: image.info[key] for key in _KEPT if image.info.get(key)}
        if wanted == "png":
            keep["pnginfo"] = _texts(image)
        drawn = _fitted(image, size) if size else image
        target = io.BytesIO()
        try:
            _mode_for(drawn, wanted).save(target, wanted.upper(), **_OPTIONS.get(wanted, {}), **keep)
        except (OSError, ValueError) as error:
            raise OutUnwritable(f"the picture can't be converted to {wanted}: {error}", spent=True) from error
        return Picture(target.getvalue(), wanted, drawn.width, drawn.height, picture.revised_prompt)


def _fitted(image: PillowImage, size: tuple[int, int]) -> PillowImage:
    from PIL import Image, ImageOps

    smooth = image.convert("RGBA" if image.has_transparency_data else "RGB") if image.mode == "P" else image
    return ImageOps.fit(smooth, size, Image.Resampling.LANCZOS)


def _texts(image: PillowImage) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in getattr(image, "text", {}).items():
        info.add_itxt(key, value)
    return info


def _mode_for(image: PillowImage, wanted: PictureFormat) -> PillowImage:
    """The same pixels in a mode that the format can hold."""
    from PIL import Image

    transparent = image.has_transparency_data
    if wanted == "webp":
        return image.convert("RGBA" if transparent else "RGB")
    if wanted == "png":
        return image
    if not transparent:
        return image if image.mode in {"RGB", "L"} else image.convert("RGB")
    layered = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")


def finish(picture: Picture, format: PictureFormat | None, image_options: ImageOptions) -> Picture:  # noqa: A002 - its own name
    """The picture in ``format`` (or the one wished for, or its own), cropped to the wished size if it shall ``fit``.

    The very same object where nothing is to be done, so that its bytes are written as they came. Raises
    :class:`OutUnwritable` when the format can't hold it.
    """
    wanted = format or image_options.format or picture.format
    size = image_options.size if image_options.fit and image_options.size != (picture.width, picture.height) else None
    if wanted == picture.format and size is None:
        return picture
    # it needs Pillow, and most pictures need nothing

    return convert(picture, wanted, size)
