"""The skill's text, and whether a copy of it was edited.

SKILL.md has a seal in its front matter: a digest of all the rest. It shows for a copy of any version whether it was
edited, without a list of installed files.
"""

from __future__ import annotations

import hashlib
import re
from importlib import resources

NAME = "codex-imagegen"
"""The name of the skill and of its folder."""

FILE = "SKILL.md"

_SEAL = re.compile(rb'^  seal: "([0-9a-f]*)"$', re.MULTILINE)


def read_text() -> bytes:
    """SKILL.md of this version."""
    return resources.files(__package__).joinpath(NAME, FILE).read_bytes()


def compute_seal(data: bytes) -> str:
    """The seal that a SKILL.md should have: 16 hexadecimal digits of the SHA-256 of all but the seal itself."""
    return hashlib.sha256(_SEAL.sub(b"", data, count=1)).hexdigest()[:16]


def is_ours(data: bytes) -> bool:
    """Whether this is a SKILL.md from this program, edited or not."""
    return f"\nname: {NAME}\n".encode() in data and _SEAL.search(data) is not None


def is_unedited(data: bytes) -> bool:
    """Whether this is an unedited SKILL.md of some version of this program."""
    found = _SEAL.search(data)
    return is_ours(data) and found is not None and found[1].decode() == compute_seal(data)
