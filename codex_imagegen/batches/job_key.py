"""What makes a job itself: its prompt, the bytes of its references, its options, and where its picture goes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict

from codex_imagegen.images import references
from codex_imagegen.request import Request

_Seal = tuple[int, int, int, int]


class Digests:
    """The hash of each reference, read and decoded whole once, and again when the file has changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Seal, bytes]] = {}

    def of(self, path: str) -> bytes:
        """The SHA-256 of a reference file; raises what :func:`references.load` raises."""
        seal = _seal(path)
        known = self._known.get(path)
        if known is not None and known[0] == seal:
            return known[1]
        digest = hashlib.sha256(references.load(path).data).digest()
        if seal is not None:
            self._known[path] = seal, digest
        return digest


def key(request: Request, name: str, digests: Sequence[bytes]) -> bytes:
    """16 bytes that are the same for the same job. ``name`` is where the picture goes, as the journal sees it.

    Options that change no pixel are no part of it: how long it may take, whether it may replace a file, and which
    executable Codex is.
    """
    parts = {
        "prompt": request.prompt,
        "refs": [digest.hex() for digest in digests],
        "out": name,
        "backend": request.backend,
        "model": request.model,
        "full_turn": request.full_turn,
        "codex_args": request.codex_args,
        "wishes": {name: value for name, value in asdict(request.wishes).items() if value},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()[:16]


def _seal(path: str) -> _Seal | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
