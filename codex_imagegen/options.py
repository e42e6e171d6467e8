"""Options of a picture by name: their types, the parsing of their values, and the request made of them.

Batch jobs, the Python API and the MCP server use all of it. The command line gets typed values from click and uses
:func:`build_request`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
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
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})([smh]?)\Z", re.ASCII)
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_CLOSE = 0.65
"""How similar a mistyped name must be, as difflib counts: ``jsno`` is meant as ``json``, ``open`` not as ``force``."""


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


def suggest(name: str, names: Iterable[str]) -> str:
    """The hint for an unknown name: the closest of ``names``, or all of them."""
    names = list(names)
    close = find_closest(name, names)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return find_remark(name) or f"use one of: {', '.join(names)}"


def find_closest(name: str, names: Iterable[str], *, similar: bool = True) -> list[str]:
    """The names that a mistyped ``name`` may mean; both as in Python: ``aspect_ratio``.

    What other programs call it comes first, then names that begin with it; then, if ``similar`` ones count, a name that
    it begins with, and one with nearly the same letters.
    """
    names, name = list(names), name.lower().replace("-", "_")
    exact = [each for each in (name, *_ALIASES.get(name, "").split()) if each in names][:1]
    longer = [each for each in names if each.startswith(name)] if len(name) > 1 else []
    shorter = sorted((each for each in names if len(each) > 2 and name.startswith(each)), key=len)[-1:]
    return exact or longer[:3] or (shorter or _similar(name, names) if similar else [])


def _similar(name: str, names: list[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name, names, 1, _CLOSE)


_ALIASES = {
    alias: names
    for names, aliases in {
        "out out_dir": "output outfile out_file output_file output_path o dest destination save save_as file filename",
        "out_dir dir out": "outdir out_dir output_dir output_folder folder directory target_dir",
        "refs ref": "image images img input inputs input_image input_file reference references ref_image i src source",
        "timeout_sec": "timeout time_limit timeout_seconds max_time request_timeout t",
        "count": "n num number samples variants num_images num_outputs c",
        "jobs": "concurrency parallel workers threads j",
        "aspect_ratio": "ratio aspect ar a",
        "force": "overwrite replace clobber f",
        "transparent": "background bg alpha",
        "size": "width height dimensions resize s w",
        "prompt": "text description instruction p",
        "format": "output_format type ext",
        "backend": "provider service route",
        "events": "stream json_events jsonl",
        "quiet": "silent no_progress",
        "verbose": "debug v",
        "show": "display preview",
        "open": "view launch browser",
        "dry_run": "plan simulate check",
        "yes": "y assume_yes confirm",
        "retry_failed": "retry",
        "older_than": "age older",
        "codex_args codex_arg": "codex_args arg args",
        "codex": "codex_path codex_bin",
        "help": "usage",
        "limit": "max",
    }.items()
    for alias in aliases.split()
}
"""What other programs call an option, and its names here: the first that the command has is meant."""


_REMARKS = {
    "background bg": "for a transparent background give --transparent; describe any other in the prompt",
    "seed": "the image tool takes no seed",
    "mask": "the image tool takes no mask; say in the prompt what to change",
    "style negative_prompt negative": "describe it in the prompt",
    "key api_key token": "no key is used; log Codex in with:\ncodex login",
    "codex_home home": "set the environment variable CODEX_HOME",
}
"""Options of other programs that there are none like, and what to do here in place of each."""


def find_remark(name: str) -> str | None:
    """What to do in place of an option of another program."""
    return next((remark for names, remark in _REMARKS.items() if name in names.split()), None)


def expand_home(path: str) -> str:
    """The path with a leading ``~`` or ``~/`` as the home folder; raises :class:`UsageError` where there is none.

    ``~name`` and ``./~/name`` stay as they are.
    """
    if path != "~" and not path.startswith("~/"):
        return path
    home = os.path.expanduser("~")
    if home in {"~", "", "/"} and not os.environ.get("HOME"):
        raise UsageError(f"there is no home folder for {path!r}", hint="set HOME, or give the whole path")
    return home + path[1:]


def parse_seconds(text: str) -> float:
    """The seconds of a time such as ``300``, ``90s``, ``5m`` or ``1h``; raises TypeError."""
    found = _TIME.match(text.strip().lower())
    if found is None:
        raise TypeError("a number of seconds, or a time such as 90s or 5m")
    return float(found[1]) * _UNITS[found[2]]


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


def to_seconds(value: Any) -> float:
    """A number of seconds, or a time as text (see :func:`parse_seconds`); raises TypeError."""
    if isinstance(value, str):
        return parse_seconds(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("a number of seconds, or a time such as 90s or 5m")
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
    "prompt": to_text, "refs": to_paths, "out": to_path, "timeout_sec": to_seconds, "force": to_flag,
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
    check_transparency(image_options, image_options.format)
    return image_options


def check_transparency(image_options: ImageOptions, format_: PictureFormat | None) -> None:
    """Raise :class:`UsageError` for a transparent background in a format that has none."""
    if image_options.transparent and format_ == "jpeg":
        raise UsageError("a JPEG can't be transparent", hint="use PNG or WebP, or leave --transparent out")


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
        raise UsageError(f"{option} can't be {text!r}", hint=f"use {', '.join(allowed[:-1])} or {allowed[-1]}")
    return text.lower()
