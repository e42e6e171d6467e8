"""Compare a picture with the options that were requested."""

from __future__ import annotations

from collections.abc import Iterator

from codex_imagegen import options
from codex_imagegen.images.decode import open_image
from codex_imagegen.request import ImageOptions
from codex_imagegen.results import Picture, Warning_

RATIO_TOLERANCE = 0.02
"""Two per cent: the models round sides to multiples of 16 and more (2 % of 1,254 pixels are 25)."""

_LONG_SIDES = {"1k": 1024, "2k": 2048, "4k": 3840}


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
