"""What came, held against what was wished for."""

from __future__ import annotations

from collections.abc import Iterator

from codex_imagegen import options as words
from codex_imagegen.images.decode import decoded
from codex_imagegen.request import ImageOptions
from codex_imagegen.results import Picture, Warning_

RATIO_TOLERANCE = 0.02
"""Two per cent: sides are rounded to multiples of 16 and more by the models (2 % of 1,254 pixels are 25)."""

_LONG_SIDES = {"1k": 1024, "2k": 2048, "4k": 3840}


def differences(picture: Picture, image_options: ImageOptions) -> tuple[Warning_, ...]:
    """A warning, with both values, for each wish that the picture does not meet."""
    return tuple(_differences(picture, image_options))


def _differences(picture: Picture, image_options: ImageOptions) -> Iterator[Warning_]:
    came = f"{picture.width}x{picture.height}"
    if image_options.size and (picture.width, picture.height) != image_options.size:
        yield _size(f"{image_options.size[0]}x{image_options.size[1]} was wished for, and {came} came")
    elif image_options.aspect_ratio and _is_off(picture, words.requested_ratio(image_options)):
        yield _size(f"the aspect ratio {image_options.aspect_ratio} was wished for, and {came} came")
    if image_options.resolution and max(picture.width, picture.height) < 0.9 * _LONG_SIDES[image_options.resolution]:
        yield _size(f"about {_LONG_SIDES[image_options.resolution]} pixels were wished for, and {came} came")
    if image_options.transparent and not _is_transparent(picture):
        yield Warning_("alpha-missing", "a transparent background was wished for, and no pixel is transparent")


def _size(message: str) -> Warning_:
    return Warning_("size-differs", message)


def _is_off(picture: Picture, wanted: float | None) -> bool:
    return wanted is not None and abs(picture.width / picture.height / wanted - 1) > RATIO_TOLERANCE


def _is_transparent(picture: Picture) -> bool:
    """Whether any pixel lets the background through at all."""
    with decoded(picture.data) as (image, _kind):
        if not image.has_transparency_data:
            return False
        low, _high = image.convert("RGBA").getchannel("A").getextrema()
        return int(low) < 255  # type: ignore[arg-type]
