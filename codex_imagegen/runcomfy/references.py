"""References as RunComfy takes them: https URLs as they are, files as ``data:`` URIs, smaller where they are too large.

The documentation speaks of public https URLs; ``data:`` URIs are what RunComfy's own ComfyUI nodes send, and
their limits are those. Nobody here has seen either work on a live account.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from codex_imagegen.errors import RunComfyInput
from codex_imagegen.images import references
from codex_imagegen.images.reduce import Room, fit
from codex_imagegen.images.references import Reference
from codex_imagegen.results import Warning_

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


def _room(urls: Sequence[str], count: int) -> Room:
    """What files have room for; base64 is padded to four characters for three bytes."""
    others = sum(map(len, urls)) + count * (len(_HEADER) + 4)
    return Room(each=MAX_BYTES, total=(MAX_TOTAL_BYTES - others) // 4 * 3, pixels=MAX_PIXELS)


def _url(ref: str) -> str:
    scheme, _, rest = ref.partition("://")
    if scheme.lower() != "https" or not rest.strip("/") or not ref.isprintable() or " " in ref:
        raise RunComfyInput(
            f"RunComfy can't fetch the reference {ref[:80]!r}", hint="give a file, or a public https URL"
        )
    return ref
