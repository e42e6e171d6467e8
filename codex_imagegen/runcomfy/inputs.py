"""Translate a request into a RunComfy model and its input, and refuse what RunComfy would refuse.

References are sent as RunComfy takes them: https URLs unchanged, files as ``data:`` URIs, converted or reduced where
RunComfy does not take them as they are.

The documentation mentions public https URLs only. RunComfy's own ComfyUI nodes send ``data:`` URIs, and the limits
here are theirs. Neither was tested on a live account.
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
from codex_imagegen.images.reduce import SizeLimits, reduce_to_fit
from codex_imagegen.images.references import Reference
from codex_imagegen.request import SUFFIXES, format_of
from codex_imagegen.results import Picture, ReferenceData, Warning_

if TYPE_CHECKING:
    from codex_imagegen.request import ImageOptions, Request

TEXT_TO_IMAGE = "openai/gpt-image-2/text-to-image"
EDIT = "openai/gpt-image-2/edit"
MAX_REFERENCES = 10

MAX_BYTES = 6 * 1024 * 1024
MAX_PIXELS = 32_000_000
MAX_TOTAL_BYTES = 64 * 1024 * 1024
"""All ``data:`` URIs together, as they are sent: RunComfy's nodes measure the whole request."""

# the published schema of the two models
ASPECT_RATIOS = ("1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
RESOLUTIONS = ("1k", "2k", "4k")
QUALITIES = ("low", "medium", "high")

_MODEL_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*){1,7}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,127}", re.ASCII)  # RunComfy's own clients take [A-Za-z0-9_-]{1,128}
_HEADER = "data:image/{format};base64,"


@dataclass(frozen=True, slots=True)
class Submission:
    """What is submitted: a model id, an input with only the options that the user set, and warnings about it.

    ``references`` are the files that the input has.
    """

    model: str
    body: dict[str, object] = field(repr=False)
    warnings: tuple[Warning_, ...] = ()
    references: tuple[Reference, ...] = field(default=(), repr=False)

    def compare(self, picture: Picture) -> tuple[Warning_, ...]:
        """The warnings about the result: those of the input, and one if it is a reference that came back unchanged."""
        return (*self.warnings, *references.same_as_reference(picture, self.references))


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request that passed every check; its references are read, and still have their original size."""

    model: str
    body: dict[str, object] = field(repr=False)
    references: list[str | Reference] = field(repr=False)


def prepare(request: Request, check_stop: Callable[[], None] = lambda: None) -> Submission:
    """Translate the request; raises as :func:`check_request` does, and what ``check_stop`` raises between steps."""
    valid = check_request(request)
    if not valid.references:
        return Submission(valid.model, valid.body)
    images, warnings = encode_references(valid.references, check_stop)
    files = tuple(ref for ref in valid.references if isinstance(ref, Reference))
    return Submission(valid.model, {**valid.body, "images": images}, warnings, files)


def check_request(request: Request) -> CheckedRequest:
    """Check the request, and read and decode its references.

    Raises :class:`RunComfyInput` for a value outside the schema, :class:`RunComfyUsage` for a malformed model id,
    :class:`UsageError` for too many references, and what reading a reference raises.
    """
    model = check_model_id(request.model or (EDIT if request.refs else TEXT_TO_IMAGE))
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
    body: dict[str, object] = {"prompt": request.prompt, **_option_fields(request)}
    return CheckedRequest(model, body, load_references(request.refs, request.refs_within))


def check_model_id(text: str) -> str:
    """Return ``text`` if it is a well-formed model id, safe in a URL; raises :class:`RunComfyUsage` if not."""
    if len(text) > 200 or not _MODEL_ID.fullmatch(text):
        raise RunComfyUsage(
            f"{text[:80]!r} can't be the id of a RunComfy model", hint=f"model ids look like {TEXT_TO_IMAGE}"
        )
    return text


def check_request_id(text: str) -> str:
    """Return ``text`` if it is a well-formed request id, safe in a URL; raises :class:`RunComfyUsage` if not."""
    if not _REQUEST_ID.fullmatch(text):
        raise RunComfyUsage(
            f"{text[:80]!r} can't be the id of a RunComfy request", hint="give the id that --no-wait printed"
        )
    return text


def aspect_ratio_of(size: tuple[int, int]) -> str:
    """The aspect ratio of (width, height) in pixels; raises :class:`RunComfyInput` for one that RunComfy lacks.

    The API's older ``size``, such as 1024 x 1536 for 2:3, is no longer in its schema.
    """
    width, height = size
    if width > 0 and height > 0:
        for ratio in ASPECT_RATIOS:
            across, down = map(int, ratio.split(":"))
            if Fraction(width, height) == Fraction(across, down):
                return ratio
    raise RunComfyInput(
        f"{width}x{height} has none of the aspect ratios that RunComfy supports",
        hint=f"give --aspect-ratio one of {' '.join(ASPECT_RATIOS)}",
    )


def _option_fields(request: Request) -> dict[str, str]:
    image_options = request.image_options
    if image_options.transparent:
        raise RunComfyInput("RunComfy has no transparent background", hint="leave --transparent out")
    format_ = image_options.format or _format_of_name(request.out)
    fields = {
        "aspect_ratio": _check_value("--aspect-ratio", _aspect_ratio(image_options), ASPECT_RATIOS),
        "resolution": _check_value("--resolution", image_options.resolution, RESOLUTIONS),
        "quality": _check_value("--quality", image_options.quality, QUALITIES),
        "output_format": _check_value("--format", format_, tuple(SUFFIXES)),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _aspect_ratio(image_options: ImageOptions) -> str | None:
    if image_options.size is None:
        return image_options.aspect_ratio
    ratio = aspect_ratio_of(image_options.size)
    if image_options.aspect_ratio not in (None, ratio):
        raise RunComfyInput(
            f"--size has the aspect ratio {ratio}, but --aspect-ratio is {image_options.aspect_ratio}",
            hint="give one of the two",
        )
    return ratio


def _format_of_name(out: str | None) -> str | None:
    """The format that a name like fox.jpg implies; None for png, the default."""
    format_ = format_of(out or "")
    return None if format_ == "png" else format_


def _check_value(option: str, value: str | None, values: tuple[str, ...]) -> str | None:
    if value is not None and value not in values:
        raise RunComfyInput(f"{option} can't be {value!r} on RunComfy", hint=f"give one of {' '.join(values)}")
    return value


def load_references(refs: Sequence[str | ReferenceData], within: tuple[str, ...] = ()) -> list[str | Reference]:
    """Check each URL and read each file, in the order given; files must lie ``within`` these folders, if any.

    Raises :class:`RunComfyInput` for a URL that RunComfy would refuse, and what
    :func:`~codex_imagegen.images.references.load` raises for files that can't be used.
    """
    return [
        _check_url(ref) if isinstance(ref, str) and "://" in ref[:9] else references.load(ref, within) for ref in refs
    ]


def encode_references(
    loaded: Sequence[str | Reference], check_stop: Callable[[], None] = lambda: None
) -> tuple[list[str], tuple[Warning_, ...]]:
    """Encode each reference as a string of the request, with a warning for each that is sent as a smaller copy."""
    reduced, warnings = reduce_references(loaded, check_stop)
    return [ref if isinstance(ref, str) else to_data_uri(ref) for ref in reduced], warnings


def reduce_references(
    loaded: Sequence[str | Reference], check_stop: Callable[[], None] = lambda: None
) -> tuple[list[str | Reference], tuple[Warning_, ...]]:
    """The references as they are sent, with a warning for each smaller copy."""
    urls = [ref for ref in loaded if isinstance(ref, str)]
    files = [ref for ref in loaded if isinstance(ref, Reference)]
    reduced, warnings = reduce_to_fit(files, _size_limits(urls, len(loaded)), check_stop)
    next_file = iter(reduced)
    return [ref if isinstance(ref, str) else next(next_file) for ref in loaded], warnings


def to_data_uri(reference: Reference) -> str:
    """Encode the file as a ``data:`` URI."""
    return _HEADER.format(format=reference.format) + base64.b64encode(reference.data).decode("ascii")


def _size_limits(urls: Sequence[str], count: int) -> SizeLimits:
    """The size limits of the files; base64 uses four characters for three bytes."""
    overhead = sum(map(len, urls)) + count * (len(_HEADER) + 4)
    return SizeLimits(each=MAX_BYTES, total=(MAX_TOTAL_BYTES - overhead) // 4 * 3, pixels=MAX_PIXELS)


def _check_url(ref: str) -> str:
    scheme, _, rest = ref.partition("://")
    if scheme.lower() != "https" or not rest.strip("/") or not ref.isprintable() or " " in ref:
        raise RunComfyInput(
            f"RunComfy can't fetch the reference {ref[:80]!r}", hint="give a file, or a public https URL"
        )
    return ref
