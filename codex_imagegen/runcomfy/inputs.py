"""A request in RunComfy's words: a model and its input; what they would refuse is refused here first.

References as RunComfy takes them: https URLs as they are, files as ``data:`` URIs, smaller where they are too large.

The documentation speaks of public https URLs; ``data:`` URIs are what RunComfy's own ComfyUI nodes send, and
their limits are those. Nobody here has seen either work on a live account.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from codex_imagegen.errors import RunComfyInput, RunComfyUsage, UsageError
from codex_imagegen.images import references
from codex_imagegen.images.reduce import SizeLimits, fit
from codex_imagegen.images.references import Reference
from codex_imagegen.request import SUFFIXES, format_of
from codex_imagegen.results import Warning_

if TYPE_CHECKING:
    from collections.abc import Callable

    from codex_imagegen.images.references import Reference
    from codex_imagegen.request import ImageOptions, Request
    from codex_imagegen.results import Warning_


TEXT_TO_IMAGE = "openai/gpt-image-2/text-to-image"
EDIT = "openai/gpt-image-2/edit"
MAX_REFERENCES = 10

# the two models' published schema
ASPECT_RATIOS = ("1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
RESOLUTIONS = ("1k", "2k", "4k")
QUALITIES = ("low", "medium", "high")

_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*){1,7}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,127}", re.ASCII)  # their own clients take [A-Za-z0-9_-]{1,128}


@dataclass(frozen=True, slots=True)
class Order:
    """What is submitted: a model's id, and its input with only what the user asked for; what is to be said of it."""

    model: str
    body: dict[str, object] = field(repr=False)
    warnings: tuple[Warning_, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """A request in which nothing can be refused any more: its references are read, and have their own size still."""

    model: str
    body: dict[str, object] = field(repr=False)
    references: list[str | Reference] = field(repr=False)


def order(request: Request, check: Callable[[], None] = lambda: None) -> Order:
    """The request as RunComfy takes it; raises as :func:`checked` does, and what ``check`` raises now and then."""
    found = checked(request)
    if not found.references:
        return Order(found.model, found.body)
    images, warnings = as_inputs(found.references, check)
    return Order(found.model, {**found.body, "images": images}, warnings)


def checked(request: Request) -> Checked:
    """The request with its references read and decoded.

    Raises :class:`RunComfyInput` for a value outside the schema, :class:`RunComfyUsage` for a model id that
    can't be one, :class:`UsageError` for too many references, and what reading a reference raises.
    """
    model = model_id(request.model or (EDIT if request.refs else TEXT_TO_IMAGE))
    if len(request.refs) > MAX_REFERENCES:
        raise UsageError(
            f"RunComfy takes at most {MAX_REFERENCES} references, not {len(request.refs)}",
            hint="give fewer --ref",
        )
    if model == TEXT_TO_IMAGE and request.refs:
        raise RunComfyInput(f"{model} takes no references", hint=f"leave --model out, or give --model {EDIT}")
    if model == EDIT and not request.refs:
        raise RunComfyInput(f"{model} needs a reference", hint="give it one with --ref")
    if not request.prompt.strip():
        raise RunComfyInput("the prompt is empty", hint="say in words what to draw")
    body: dict[str, object] = {"prompt": request.prompt, **_wishes(request)}
    return Checked(model, body, load(request.refs, request.refs_within))


def model_id(text: str) -> str:
    """``text`` if it can be a model's id, which goes into a URL; raises :class:`RunComfyUsage` else."""
    if len(text) > 200 or not _MODEL_ID.fullmatch(text):
        raise RunComfyUsage(
            f"{text[:80]!r} can't be the id of a RunComfy model", hint=f"model ids look like {TEXT_TO_IMAGE}"
        )
    return text


def request_id(text: str) -> str:
    """``text`` if it can be a request's id, which goes into a URL; raises :class:`RunComfyUsage` else."""
    if not _REQUEST_ID.fullmatch(text):
        raise RunComfyUsage(
            f"{text[:80]!r} can't be the id of a RunComfy request", hint="give the id that --no-wait printed"
        )
    return text


def aspect_ratio_of(size: tuple[int, int]) -> str:
    """The aspect ratio that (width, height) in pixels means; raises :class:`RunComfyInput` for another.

    The API's older ``size`` is no longer in its schema; 1024 × 1536 was its way to say 2:3.
    """
    width, height = size
    if width > 0 and height > 0:
        for ratio in ASPECT_RATIOS:
            across, down = map(int, ratio.split(":"))
            if Fraction(width, height) == Fraction(across, down):
                return ratio
    raise RunComfyInput(
        f"{width}x{height} is none of the aspect ratios that RunComfy draws",
        hint=f"give --aspect-ratio one of {' '.join(ASPECT_RATIOS)}",
    )


def _wishes(request: Request) -> dict[str, str]:
    image_options = request.image_options
    if image_options.transparent:
        raise RunComfyInput("RunComfy has no transparent background", hint="leave --transparent out")
    asked = {
        "aspect_ratio": _allowed("--aspect-ratio", _aspect_ratio(image_options), ASPECT_RATIOS),
        "resolution": _allowed("--resolution", image_options.resolution, RESOLUTIONS),
        "quality": _allowed("--quality", image_options.quality, QUALITIES),
        "output_format": _allowed("--format", image_options.format or _named_format(request.out), tuple(SUFFIXES)),
    }
    return {name: value for name, value in asked.items() if value is not None}


def _aspect_ratio(image_options: ImageOptions) -> str | None:
    if image_options.size is None:
        return image_options.aspect_ratio
    meant = aspect_ratio_of(image_options.size)
    if image_options.aspect_ratio not in (None, meant):
        raise RunComfyInput(
            f"--size means the aspect ratio {meant}, and --aspect-ratio says {image_options.aspect_ratio}",
            hint="give one of the two",
        )
    return meant


def _named_format(out: str | None) -> str | None:
    """The format that a name like fox.jpg asks for; png is what comes unasked."""
    named = format_of(out or "")
    return None if named == "png" else named


def _allowed(option: str, value: str | None, values: tuple[str, ...]) -> str | None:
    if value is not None and value not in values:
        raise RunComfyInput(f"{option} can't be {value!r} on RunComfy", hint=f"give one of {' '.join(values)}")
    return value


MAX_BYTES = 6 * 1024 * 1024
MAX_PIXELS = 32_000_000
MAX_TOTAL_BYTES = 64 * 1024 * 1024
"""Of all ``data:`` URIs together, as they are sent: RunComfy's nodes measure the whole request."""

_HEADER = "data:image/{format};base64,"


def load(refs: Sequence[str], within: tuple[str, ...] = ()) -> list[str | Reference]:
    """Each reference in the order given: a URL checked, a file read; files lie ``within`` these folders, if any.

    Raises :class:`RunComfyInput` for a URL that RunComfy would not take, and what
    :func:`~codex_imagegen.images.references.load` raises for files that can't be used.
    """
    return [_url(ref) if "://" in ref[:9] else references.load(ref, within) for ref in refs]


def as_inputs(
    loaded: Sequence[str | Reference], check: Callable[[], None] = lambda: None
) -> tuple[list[str], tuple[Warning_, ...]]:
    """Each reference as a string of the request, and a warning for each that goes as a smaller copy."""
    urls = [ref for ref in loaded if isinstance(ref, str)]
    sent, warnings = fit([ref for ref in loaded if isinstance(ref, Reference)], _room(urls, len(loaded)), check)
    files = iter(sent)
    return [ref if isinstance(ref, str) else as_uri(next(files)) for ref in loaded], warnings


def as_uri(reference: Reference) -> str:
    """The file as a ``data:`` URI."""
    return _HEADER.format(format=reference.format) + base64.b64encode(reference.data).decode("ascii")


def _room(urls: Sequence[str], count: int) -> SizeLimits:
    """What files have room for; base64 is padded to four characters for three bytes."""
    others = sum(map(len, urls)) + count * (len(_HEADER) + 4)
    return SizeLimits(each=MAX_BYTES, total=(MAX_TOTAL_BYTES - others) // 4 * 3, pixels=MAX_PIXELS)


def _url(ref: str) -> str:
    scheme, _, rest = ref.partition("://")
    if scheme.lower() != "https" or not rest.strip("/") or not ref.isprintable() or " " in ref:
        raise RunComfyInput(
            f"RunComfy can't fetch the reference {ref[:80]!r}", hint="give a file, or a public https URL"
        )
    return ref
