"""The skill's text, and how a copy of it is told from one that somebody has edited.

SKILL.md carries a seal in its front matter: a digest of all the rest. So a copy knows by itself whether it is as we
wrote it, whichever version it is and however it came there, and no list of installed files is kept anywhere.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources

NAME = "codex-imagegen"
"""The skill's name, and its folder's."""

FILE = "SKILL.md"

_SEAL = re.compile(rb'^  seal: "([0-9a-f]*)"$', re.MULTILINE)


def text() -> bytes:
    """SKILL.md as it is in this version."""
    return resources.files(__package__).joinpath(NAME, FILE).read_bytes()


def seal_of(data: bytes) -> str:
    """The seal that belongs to a SKILL.md: 16 hexadecimal digits of the SHA-256 of all but the seal itself."""
    return hashlib.sha256(_SEAL.sub(b"", data, count=1)).hexdigest()[:16]


def is_ours(data: bytes) -> bool:
    """Whether this is a SKILL.md of ours, edited or not."""
    return f"\nname: {NAME}\n".encode() in data and _SEAL.search(data) is not None


def is_unedited(data: bytes) -> bool:
    """Whether this is a SKILL.md as some version of this program wrote it."""
    found = _SEAL.search(data)
    return is_ours(data) and found is not None and found[1].decode() == seal_of(data)
