"""Short commands of a Codex, which cost nothing; its version, and the versions that are known to work."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from codex_imagegen.codex import features
from codex_imagegen.codex.install import npm
from codex_imagegen.codex.process import BRIEF_STOP_SIGNALS, Process

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


MAX_ANSWER_BYTES = 256 * 1024
"""Bytes of stdout and of stderr that are kept; the longest answer (``features list``) has 8 KB (0.169.0)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The output of Codex. ``exit_code`` is None where Codex was stopped at the time limit."""

    exit_code: int | None
    stdout: str
    stderr: str


def run_query(codex: str, *arguments: str, environment: Mapping[str, str], timeout_sec: float) -> Answer:
    """Run ``codex`` with these arguments and return its output; raises :class:`CodexMissing` if it can't be started.

    The working folder is the root folder, which has no project's settings.
    """
    stdout, stderr = _Output(), _Output()
    process = Process(
        [npm.find_binary(codex), *arguments],
        folder=os.sep,
        environment=environment,
        on_stdout=stdout.add,
        on_stderr=stderr.add,
        on_change=lambda: None,
    )
    try:
        process.send(b"")
        has_ended = process.wait(timeout_sec)
    finally:
        process.stop(BRIEF_STOP_SIGNALS)
    return Answer(process.exit_code if has_ended else None, stdout.text, stderr.text)


class _Output:
    """The beginning of a stream."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, chunk: bytes) -> None:
        """Keep a chunk, up to the limit."""
        self._bytes += chunk[: MAX_ANSWER_BYTES - len(self._bytes)]

    @property
    def text(self) -> str:
        """The kept output as text."""
        return bytes(self._bytes).decode(errors="replace")
