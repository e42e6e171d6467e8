"""Run a short Codex command, such as ``codex --version``, with a time limit; it costs nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from codex_imagegen.codex.install import npm
from codex_imagegen.codex.process import BRIEF_STOP_SIGNALS, Process

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
