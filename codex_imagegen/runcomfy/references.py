"""References as RunComfy takes them: https URLs as they are, files as ``data:`` URIs within the known limits.

The documentation speaks of public https URLs; ``data:`` URIs are what RunComfy's own ComfyUI nodes send, and
their limits are those. Nobody here has seen either work on a live account.
"""

from __future__ import annotations

import base64

from codex_imagegen.errors import RunComfyInput
from codex_imagegen.pictures import references
from codex_imagegen.pictures.verify import verify

MAX_BYTES = 6 * 1024 * 1024
MAX_PIXELS = 32_000_000
MAX_TOTAL_BYTES = 64 * 1024 * 1024
"""Of all ``data:`` URIs together, as they are sent: RunComfy's nodes measure the whole request."""

SMALLER = "give a smaller copy of it, or an https URL"


def as_inputs(refs: tuple[str, ...], within: tuple[str, ...] = ()) -> list[str]:
    """Each reference as a string of the request, in the order given; files lie ``within`` these folders, if any.

    Raises :class:`RunComfyInput` for what RunComfy would not take, and what
    :func:`~codex_imagegen.pictures.references.load` raises for files that can't be used.
    """
    inputs, total = [], 0
    for ref in refs:
        uri = _url(ref) if "://" in ref[:9] else _data_uri(ref, within)
        total += len(uri)
        if total > MAX_TOTAL_BYTES:
            raise RunComfyInput(f"the references are more than {MAX_TOTAL_BYTES:,} bytes together", hint=SMALLER)
        inputs.append(uri)
    return inputs


def _url(ref: str) -> str:
    scheme, _, rest = ref.partition("://")
    if scheme.lower() != "https" or not rest.strip("/") or not ref.isprintable() or " " in ref:
        raise RunComfyInput(
            f"RunComfy can't fetch the reference {ref[:80]!r}", hint="give a file, or a public https URL"
        )
    return ref


def _data_uri(path: str, within: tuple[str, ...]) -> str:
    reference = references.load(path, within)
    if len(reference.data) > MAX_BYTES:
        raise RunComfyInput(
            f"the reference {path!r} has {len(reference.data):,} bytes, and RunComfy takes {MAX_BYTES:,}",
            hint=SMALLER,
        )
    picture = verify(reference.data)
    if (pixels := picture.width * picture.height) > MAX_PIXELS:
        raise RunComfyInput(
            f"the reference {path!r} has {pixels:,} pixels, and RunComfy takes {MAX_PIXELS:,}",
            hint=SMALLER,
        )
    return f"data:image/{reference.format};base64,{base64.b64encode(reference.data).decode('ascii')}"
