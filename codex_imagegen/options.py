"""Options of a picture by name: their types, the parsing of their values, and the request made of them.

Batch jobs, the Python API and the MCP server use all of it. The command line gets typed values from click and uses
:func:`build_request`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from codex_imagegen.errors import UsageError
from codex_imagegen.request import FORMATS, ImageOptions, PictureFormat, Request

IMAGE_OPTIONS = ("size", "aspect_ratio", "resolution", "quality", "transparent", "format", "fit")
"""The options that say how the picture should look (see :class:`~codex_imagegen.request.ImageOptions`)."""

RESOLUTIONS = ("1k", "2k", "4k")
QUALITIES = ("low", "medium", "high")
MAX_SIDE = 9459
"""Pixels: the side of the largest square that is decoded here (see ``images.structure.MAX_PIXELS``)."""

_SIZE = re.compile(r"(\d{1,5})[xX×_](\d{1,5})\Z")
_RATIO = re.compile(r"(\d{1,3}):(\d{1,3})\Z")


def build_request(options: Mapping[str, Any]) -> Request:
    """The request for options of the right types; raises :class:`UsageError` for invalid values."""
    fields = {name: value for name, value in options.items() if name not in IMAGE_OPTIONS}
    requested = {name: options[name] for name in IMAGE_OPTIONS if options.get(name) not in (None, False)}
    if requested:
        fields["image_options"] = parse_image_options(**requested)
    return Request(**fields)


def convert_value(name: str, value: Any, *, hint: str, kind: Callable[[Any], Any] | None = None) -> Any:
    """The value of an option, converted by ``kind`` or to the option's type; raises :class:`UsageError`."""
    try:
        return (kind or TYPES[name])(value)
    except TypeError as error:
        raise UsageError(f"{name!r} must be {error}", hint=hint) from error


def suggest(name: str, names: Mapping[str, Any]) -> str:
    """The hint for an unknown name: the closest of ``names``, or all of them."""
    from difflib import get_close_matches

    close = get_close_matches(name, names, 1)
    return f"did you mean {close[0]!r}?" if close else f"use one of: {', '.join(names)}"


def to_text(value: Any) -> str:
    """Valid Unicode text; raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("a string")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise TypeError("valid Unicode text") from error
    return value


def to_path(value: Any) -> str:
    """The path as a string; raises TypeError."""
    name = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(name, str):
        raise TypeError("a string")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:
        raise TypeError("valid Unicode text") from error
    return name


def to_folder(value: Any) -> str:
    """The absolute path of a folder, which need not exist; raises TypeError."""
    name = to_path(value)
    if not name.strip():
        raise TypeError("the name of a folder")
    return os.path.abspath(os.path.expanduser(name))


def to_paths(value: Any) -> tuple[str, ...]:
    """One path or several; raises TypeError."""
    values = [value] if isinstance(value, (str, os.PathLike)) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(each, (str, os.PathLike)) for each in values):
        raise TypeError("a list of strings")
    return tuple(to_path(each) for each in values)


def to_texts(value: Any) -> tuple[str, ...]:
    """One text or several; raises TypeError."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, (list, tuple)) or not all(isinstance(each, str) for each in values):
        raise TypeError("a list of strings")
    return tuple(to_text(each) for each in values)


def to_number(value: Any) -> float:
    """A number; raises TypeError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a number")
    return float(min(max(value, -1), 1e9))  # refused later; an int may be too large for a float


def to_size(value: Any) -> str:
    """A size as ``WxH``, given as that text or as two whole numbers; raises TypeError."""
    if isinstance(value, (list, tuple)) and len(value) == 2:
        value = f"{to_integer(value[0])}x{to_integer(value[1])}"
    return to_text(value)


def to_integer(value: Any) -> int:
    """A whole number; raises TypeError."""
    if isinstance(value, float) and value.is_integer():  # JSON knows one kind of number
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("a whole number")
    return value


def to_flag(value: Any) -> bool:
    """True or False; raises TypeError."""
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


TYPES: dict[str, Callable[[Any], Any]] = {
    "prompt": to_text, "refs": to_paths, "out": to_path, "timeout_sec": to_number, "force": to_flag,
    "full_turn": to_flag, "codex": to_path, "codex_home": to_folder, "model": to_text, "codex_args": to_texts,
    "backend": to_text, "size": to_size, "aspect_ratio": to_text, "resolution": to_text, "quality": to_text,
    "transparent": to_flag, "format": to_text, "fit": to_flag, "count": to_integer, "jobs": to_integer,
    "skip_existing": to_flag, "last": to_flag,
}  # fmt: skip
"""Every option of a picture, and the function that converts its value; its TypeError says what is expected."""


def parse_image_options(
    *,
    size: str | None = None,
    aspect_ratio: str | None = None,
    resolution: str | None = None,
    quality: str | None = None,
    transparent: bool = False,
    format: str | None = None,  # noqa: A002 - the option's own name
    fit: bool = False,
) -> ImageOptions:
    """Parse the image options as a user types them; raises :class:`UsageError` for an invalid value."""
    image_options = ImageOptions(
        size=_picture_size(size),
        aspect_ratio=_ratio(aspect_ratio),
        resolution=_one_of("--resolution", resolution, RESOLUTIONS),
        quality=_one_of("--quality", quality, QUALITIES),
        transparent=transparent,
        format=_format(format),
        fit=fit,
    )
    if image_options.fit and image_options.size is None:
        raise UsageError("--fit needs a size to fit", hint="give --size WxH too")
    if image_options.transparent and image_options.format == "jpeg":
        raise UsageError("a JPEG can't be transparent", hint="use --format png or webp")
    return image_options


def requested_ratio(image_options: ImageOptions) -> float | None:
    """Width divided by height, where a size or a ratio was requested."""
    if image_options.size:
        return image_options.size[0] / image_options.size[1]
    if image_options.aspect_ratio:
        width, height = image_options.aspect_ratio.split(":")
        return int(width) / int(height)
    return None


def _picture_size(text: str | None) -> tuple[int, int] | None:
    if text is None or text == "auto":
        return None
    found = _SIZE.match(text)
    width, height = (int(found[1]), int(found[2])) if found else (0, 0)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise UsageError(f"--size can't be {text!r}", hint="give width and height in pixels, such as 1024x1536")
    return width, height


def _ratio(text: str | None) -> str | None:
    if text is None:
        return None
    found = _RATIO.match(text)
    if not found or not int(found[1]) or not int(found[2]):
        raise UsageError(f"--aspect-ratio can't be {text!r}", hint="give width to height, such as 16:9")
    return f"{int(found[1])}:{int(found[2])}"


def _format(text: str | None) -> PictureFormat | None:
    if text is None:
        return None
    found = FORMATS.get(text.lower())
    if found is None:
        raise UsageError(f"--format can't be {text!r}", hint="use png, jpeg or webp")
    return found


def _one_of(option: str, text: Any, allowed: tuple[str, ...]) -> str | None:
    if text is None:
        return None
    if not isinstance(text, str) or text.lower() not in allowed:
        raise UsageError(f"{option} can't be {text!r}", hint=f"use {', '.join(allowed)}")
    return text.lower()
