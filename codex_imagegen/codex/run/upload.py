"""How much a run may upload: each reference is sent twice, to the model and then with the tool's call."""

from __future__ import annotations

from collections.abc import Sequence

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError
from codex_imagegen.images.reduce import SizeLimits
from codex_imagegen.images.references import Reference
from codex_imagegen.results import Warning_

MAX_BYTES = 64_000_000
"""Upload limit of a run. Above it, users report false moderation and lost references."""

MAX_DATA_URL = 20_971_520
"""Characters that the API accepts in one picture as a ``data:`` URL."""

LARGE_BYTES = 8_000_000
"""References of so many bytes together, as they are sent, may be the cause of a failure."""

_MAY_BE_LARGE = {"moderation", "network"}
"""Errors that large references cause, as users report."""

_STEP_BYTES = 1_000_000
"""The limit is rounded down to whole megabytes, so that the next prompt of a batch can use the same smaller copies."""

_URL_PREFIX = len("data:image/jpeg;base64,")
_REQUEST_BYTES = 250_000
"""The rest of each request: instructions and tools, which have 50 to 100 KB (0.111.0 to 0.169.0)."""

_PICTURE_BYTES = 8_000_000
"""The new picture, which a full turn sends back to the model; most have 2 MB, and a third more as base64."""


def size_limits(prompt: str, *, full_turn: bool) -> SizeLimits:
    """The size limits of a run's references; a full turn sends everything to the model once more."""
    times = 3 if full_turn else 2
    rest = times * (len(prompt.encode(errors="replace")) + _REQUEST_BYTES) + (_PICTURE_BYTES if full_turn else 0)
    total = _bytes_of((MAX_BYTES - rest) // times)
    return SizeLimits(each=_bytes_of(MAX_DATA_URL - _URL_PREFIX), total=total // _STEP_BYTES * _STEP_BYTES)


def explain_large_references(
    error: ImagegenError, references: Sequence[Reference], reduced: Sequence[Warning_]
) -> None:
    """Add to an error the warnings about reduced references, and a hint where large ones may have caused it."""
    error.warnings = (*((warning.code, warning.message) for warning in reduced), *error.warnings)
    size = sum(len(reference.data) for reference in references)
    if error.code in _MAY_BE_LARGE and size >= LARGE_BYTES and "smaller references" not in (error.hint or ""):
        advice = f"smaller references may help, too: these have {render.size(size)}"
        error.hint = f"{error.hint}; {advice}" if error.hint else advice


def _bytes_of(characters: int) -> int:
    """How many bytes so many characters of base64 encode."""
    return characters // 4 * 3
