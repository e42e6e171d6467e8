"""How much a run may send to OpenAI: the references go up once to the model, and once more with the tool's call."""

from __future__ import annotations

from collections.abc import Sequence

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError
from codex_imagegen.images.reduce import SizeLimits
from codex_imagegen.images.references import Reference
from codex_imagegen.results import Warning_

MAX_BYTES = 64_000_000
"""Of all that a run uploads. Users report false moderation, or references that are lost, above it."""

MAX_DATA_URL = 20_971_520
"""Characters that the API takes of one picture as a ``data:`` URL."""

LARGE_BYTES = 8_000_000
"""References of so many bytes together, as they are sent, may be why a run fails."""

_MAY_BE_LARGE = {"moderation", "network"}
"""Errors that large references have caused, as users report."""

_STEP_BYTES = 1_000_000
"""The room is whole megabytes: smaller copies that were made for one prompt serve the next of a batch."""

_HEADER = len("data:image/jpeg;base64,")
_WORDS_BYTES = 250_000
"""What each request holds besides: instructions and tools, 50 to 100 KB of them (0.111.0 to 0.169.0)."""

_PICTURE_BYTES = 8_000_000
"""The picture that was made, which a whole turn sends back to the model; most have 2 MB and become a third more."""


def size_limits(prompt: str, *, full_turn: bool) -> SizeLimits:
    """What there is room for in a run of this prompt; a whole turn shows the model everything once more."""
    times = 3 if full_turn else 2
    words = times * (len(prompt.encode(errors="replace")) + _WORDS_BYTES) + (_PICTURE_BYTES if full_turn else 0)
    total = _bytes_of((MAX_BYTES - words) // times)
    return SizeLimits(each=_bytes_of(MAX_DATA_URL - _HEADER), total=total // _STEP_BYTES * _STEP_BYTES)


def explain(error: ImagegenError, references: Sequence[Reference], reduced: Sequence[Warning_]) -> None:
    """Add to a run's error what was done to its references, and that large ones can cause it."""
    error.warnings = (*((warning.code, warning.message) for warning in reduced), *error.warnings)
    size = sum(len(reference.data) for reference in references)
    if error.code in _MAY_BE_LARGE and size >= LARGE_BYTES and "smaller references" not in (error.hint or ""):
        told = f"smaller references may help, too: these have {render.size(size)}"
        error.hint = f"{error.hint}; {told}" if error.hint else told


def _bytes_of(characters: int) -> int:
    """The bytes that so many characters of base64 hold."""
    return characters // 4 * 3
