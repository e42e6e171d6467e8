"""Convert a picture to another format or size, only where the user requested it, and compare it with the request."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from codex_imagegen import options
from codex_imagegen.errors import OutUnwritable
from codex_imagegen.images.decode import open_image
from codex_imagegen.results import Picture, Warning_

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

    from codex_imagegen.request import ImageOptions, PictureFormat


JPEG_QUALITY = 95
"""The loss is invisible; Pillow's documentation advises against more than 95."""

_OPTIONS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True},
    "jpeg": {"quality": JPEG_QUALITY, "subsampling": 0},
}
_METADATA = ("exif", "icc_profile", "xmp", "dpi")

RATIO_TOLERANCE = 0.02
"""Two per cent: the models round sides to multiples of 16 and more (2 % of 1,254 pixels are 25)."""

_LONG_SIDES = {"1k": 1024, "2k": 2048, "4k": 3840}


def convert(picture: Picture, format_: PictureFormat, size: tuple[int, int] | None = None) -> Picture:
    """Encode the picture as ``format_``, at ``size`` (width, height in pixels) where one is given.

    The picture is scaled until it covers the size, and cropped around the centre. EXIF, XMP, colour profile, resolution
    and, from PNG to PNG, text are kept where the format supports them. For JPEG, transparency becomes white. Raises
    :class:`OutUnwritable` when the format can't hold the picture at all.
    """
    with open_image(picture.data) as (image, _kind):
        metadata = {key: image.info[key] for key in _METADATA if image.info.get(key)}
        if format_ == "png":
            metadata["pnginfo"] = _png_texts(image)
        scaled = _crop_to_size(image, size) if size else image
        target = io.BytesIO()
        try:
            _to_mode(scaled, format_).save(target, format_.upper(), **_OPTIONS.get(format_, {}), **metadata)
        except (OSError, ValueError) as error:
            raise OutUnwritable(f"the picture can't be converted to {format_}: {error}", spent=True) from error
        return Picture(target.getvalue(), format_, scaled.width, scaled.height, picture.revised_prompt)


def _crop_to_size(image: PillowImage, size: tuple[int, int]) -> PillowImage:
    from PIL import Image, ImageOps

    smooth = image.convert("RGBA" if image.has_transparency_data else "RGB") if image.mode == "P" else image
    return ImageOps.fit(smooth, size, Image.Resampling.LANCZOS)


def _png_texts(image: PillowImage) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in getattr(image, "text", {}).items():
        info.add_itxt(key, value)
    return info


def _to_mode(image: PillowImage, format_: PictureFormat) -> PillowImage:
    """The same pixels in a mode that the format supports."""
    from PIL import Image

    transparent = image.has_transparency_data
    if format_ == "webp":
        return image.convert("RGBA" if transparent else "RGB")
    if format_ == "png":
        return image
    if not transparent:
        return image if image.mode in {"RGB", "L"} else image.convert("RGB")
    layered = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, "white"), layered).convert("RGB")


def convert_as_requested(picture: Picture, format: PictureFormat | None, image_options: ImageOptions) -> Picture:  # noqa: A002 - its own name
    """The picture in ``format`` (or the requested one, or its own), cropped to the requested size with ``fit``.

    Returns the same object where nothing changes, so that its bytes are written unchanged. Raises
    :class:`OutUnwritable` when the format can't hold the picture.
    """
    format_ = format or image_options.format or picture.format
    size = image_options.size if image_options.fit and image_options.size != (picture.width, picture.height) else None
    if format_ == picture.format and size is None:
        return picture
    return convert(picture, format_, size)


def differences(picture: Picture, image_options: ImageOptions) -> tuple[Warning_, ...]:
    """A warning with both values for each option that the picture does not meet."""
    return tuple(_differences(picture, image_options))


def _differences(picture: Picture, image_options: ImageOptions) -> Iterator[Warning_]:
    received = f"{picture.width}x{picture.height}"
    if image_options.size and (picture.width, picture.height) != image_options.size:
        yield _size_warning(f"requested {image_options.size[0]}x{image_options.size[1]}, got {received}")
    elif image_options.aspect_ratio and _differs_from_ratio(picture, options.requested_ratio(image_options)):
        yield _size_warning(f"requested the aspect ratio {image_options.aspect_ratio}, got {received}")
    if image_options.resolution and max(picture.width, picture.height) < 0.9 * _LONG_SIDES[image_options.resolution]:
        yield _size_warning(f"requested about {_LONG_SIDES[image_options.resolution]} pixels, got {received}")
    if image_options.transparent and not _is_transparent(picture):
        yield Warning_("alpha-missing", "requested a transparent background, but no pixel is transparent")


def _size_warning(message: str) -> Warning_:
    return Warning_("size-differs", message)


def _differs_from_ratio(picture: Picture, requested: float | None) -> bool:
    return requested is not None and abs(picture.width / picture.height / requested - 1) > RATIO_TOLERANCE


def _is_transparent(picture: Picture) -> bool:
    """Whether any pixel is at least partly transparent."""
    with open_image(picture.data) as (image, _kind):
        if not image.has_transparency_data:
            return False
        low, _high = image.convert("RGBA").getchannel("A").getextrema()
        return int(low) < 255  # type: ignore[arg-type]
