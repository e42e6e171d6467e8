"""The version of a Codex, and the versions that are known to work."""

from __future__ import annotations

import re
from collections.abc import Mapping

from codex_imagegen.codex import features
from codex_imagegen.codex.install.query import run_query

OLDEST, NEWEST = "0.111.0", "0.169.0"
"""The oldest build that can make pictures, and the newest that the tests have run."""

_VERSION = re.compile(r"\b(\d{1,4}\.\d{1,4}\.\d{1,4})\b")


def read_version(codex: str, environment: Mapping[str, str], timeout_sec: float) -> str | None:
    """Run ``codex --version``; None where it names none. Raises :class:`CodexMissing` where it can't be started.

    No run calls this, because it takes too long.
    """
    return find_version(run_query(codex, "--version", environment=environment, timeout_sec=timeout_sec).stdout)


def find_version(text: str) -> str | None:
    """The version in a text such as ``codex-cli 0.169.0``."""
    found = _VERSION.search(text)
    return found[1] if found else None


def parse_version(version: str) -> tuple[int, ...]:
    """``0.169.0`` as a tuple, to be compared."""
    return tuple(int(part) for part in version.split("."))


def is_too_old(version: str) -> bool:
    """Whether a Codex of this version can't make pictures."""
    return parse_version(version) < parse_version(OLDEST)


def is_newer_than_tested(version: str) -> bool:
    """Whether the tests have not run this version; patches of a tested version count as tested."""
    return parse_version(version) >= features.UNTESTED_SINCE
