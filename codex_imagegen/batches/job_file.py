"""The lines of a list of jobs: read as often as it takes, from a copy of ours, and never held in memory as a whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from codex_imagegen.errors import ImagegenError, UsageError

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line: a prompt of Codex's full length with every character escaped has 12 MB."""

_CHUNK = 1024 * 1024
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the list; lines are counted from 1, blank ones too."""

    number: int
    text: bytes


class JobFile:
    """A private copy of a list, which may come from a pipe, and may be edited while it is worked on.

    It is JSON Lines where its first line begins with a brace, or where its name says so; else each line is a prompt.
    """

    def __init__(self, source: IO[bytes], name: str) -> None:
        self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        while chunk := source.read(_CHUNK):
            self._copy.write(chunk)
        self._as_json = name.lower().endswith(_JSON_SUFFIXES) or self._begins_with_brace()

    def close(self) -> None:
        """Let the copy go."""
        self._copy.close()

    def __iter__(self) -> Iterator[Line]:
        """Each line that is not blank; raises :class:`UsageError` for one that is too long."""
        self._copy.seek(0)
        number = 0
        while text := self._copy.readline(MAX_LINE + 1):
            number += 1
            if len(text) > MAX_LINE:
                raise at(number, UsageError(f"it is longer than {MAX_LINE:,} bytes", hint="give one job a line"))
            text = text.removeprefix(_BOM) if number == 1 else text
            if text.strip():
                yield Line(number, text)

    def pairs(self, line: Line) -> list[tuple[str, Any]]:
        """What a line says, as keys and values; raises :class:`UsageError`."""
        return _object(line.text) if self._as_json else [("prompt", _prompt(line.text))]

    def _begins_with_brace(self) -> bool:
        first = next(iter(self), None)
        return first is not None and first.text.lstrip().startswith(b"{")


def at(number: int, error: ImagegenError) -> ImagegenError:
    """The same error, which names its line."""
    error.message = f"line {number}: {error.message}"
    error.args = (error.message,)
    return error


class _Object(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key that is there twice is seen."""


def _object(text: bytes) -> list[tuple[str, Any]]:
    try:
        value = json.loads(text.decode(), object_pairs_hook=_Object)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"it is no JSON object: {error}", hint='such as {"prompt": "a red fox"}') from error
    if not isinstance(value, _Object):
        raise UsageError("it is no JSON object", hint='such as {"prompt": "a red fox"}')
    return value


def _prompt(text: bytes) -> str:
    try:
        return text.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError("it is not valid UTF-8 text", hint="save the file as UTF-8") from error
