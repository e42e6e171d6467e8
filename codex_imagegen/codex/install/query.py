"""A short question to a Codex command line, such as ``codex --version``: it costs nothing, and a time limit holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from codex_imagegen.codex.install import npm
from codex_imagegen.codex.process import BRIEF_STOP_SIGNALS, Process

MAX_ANSWER_BYTES = 256 * 1024
"""Bytes of stdout and of stderr that are kept; the longest answer asked for (``features list``) has 8 KB (0.169.0)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What Codex said. ``exit_code`` is None where it did not end in time and was ended."""

    exit_code: int | None
    stdout: str
    stderr: str


def ask(codex: str, *words: str, environment: Mapping[str, str], timeout_sec: float) -> Answer:
    """Run ``codex`` with these words and hear what it says; raises :class:`CodexMissing` if it can't be started.

    It works in the root folder, where no project's settings are.
    """
    out, err = _Kept(), _Kept()
    process = Process(
        [npm.binary(codex), *words],
        folder=os.sep,
        environment=environment,
        on_stdout=out.take,
        on_stderr=err.take,
        on_change=lambda: None,
    )
    try:
        process.send(b"")
        ended = process.wait(timeout_sec)
    finally:
        process.stop(BRIEF_STOP_SIGNALS)
    return Answer(process.exit_code if ended else None, out.text, err.text)


class _Kept:
    """The beginning of a stream."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def take(self, chunk: bytes) -> None:
        """Keep a chunk, as far as there is room."""
        self._bytes += chunk[: MAX_ANSWER_BYTES - len(self._bytes)]

    @property
    def text(self) -> str:
        """What was kept, as text."""
        return bytes(self._bytes).decode(errors="replace")
