"""A picture in another format, where the name of the output asks for one."""

from __future__ import annotations

import io
from typing import Any

from codex_imagegen.errors import OutUnwritable
from codex_imagegen.model import Picture, PictureFormat
from codex_imagegen.pictures.verify import decoded

JPEG_QUALITY = 95
"""High enough that nobody sees it; Pillow's documentation calls more than 95 a waste."""


_OPTIONS: dict[str, dict[str, Any]] = {
    "webp": {"lossless": True},
    "jpeg": {"quality": JPEG_QUALITY, "subsampling": 0},
}


def convert(picture: Picture, wanted: PictureFormat) -> Picture:
    """Encode the picture anew as ``wanted``; what a format can't hold (JPEG: transparency) is laid on white.

    EXIF data, XMP and colour profile are kept where both formats have a place for them.
    """
    with decoded(picture.data) as (image, _kind):
        keep = {key: image.info[key] for key in ("exif", "icc_profile", "xmp") if image.info.get(key)}
        options = _OPTIONS.get(wanted, {})
        target = io.BytesIO()
        try:
            _paletteless(image, wanted).save(target, wanted.upper(), **options, **keep)
        except (OSError, ValueError) as error:
            raise OutUnwritable(f"the picture can't be converted to {wanted}: {error}", spent=True) from error
        return Picture(target.getvalue(), wanted, image.width, image.height, picture.revised_prompt)


def _paletteless(image: Any, wanted: PictureFormat) -> Any:
    from PIL import Image

    transparent = image.has_transparency_data
    if wanted == "webp":
        return image.convert("RGBA" if transparent else "RGB")
    if wanted == "png" or not transparent:
        return image if wanted == "png" or image.mode in {"RGB", "L"} else image.convert("RGB")
    layered = image.convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(white, layered).convert("RGB")
