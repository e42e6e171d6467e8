"""A job file, read line by line from a private copy; it is never in memory as a whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from codex_imagegen.errors import ImagegenError, UsageError

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line: a prompt of Codex's maximum length has 12 MB with every character escaped."""

_CHUNK = 1024 * 1024
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file; ``number`` counts from 1 and includes blank lines."""

    number: int
    text: bytes


class JobFile:
    """A private copy of a job file, which may come from a pipe or be edited while the batch runs.

    It is JSON Lines if its name has such a suffix or its first line begins with a brace; else each line is a prompt.
    """

    def __init__(self, source: IO[bytes], name: str) -> None:
        self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        while chunk := source.read(_CHUNK):
            self._copy.write(chunk)
        self._as_json = name.lower().endswith(_JSON_SUFFIXES) or self._starts_with_brace()

    def close(self) -> None:
        """Delete the copy."""
        self._copy.close()

    def __iter__(self) -> Iterator[Line]:
        """Each line that is not blank; raises :class:`UsageError` for one that is too long."""
        self._copy.seek(0)
        number = 0
        while text := self._copy.readline(MAX_LINE + 1):
            number += 1
            if len(text) > MAX_LINE:
                error = UsageError(f"it is longer than {MAX_LINE:,} bytes", hint="give one job a line")
                raise add_line_number(number, error)
            text = text.removeprefix(_BOM) if number == 1 else text
            if text.strip():
                yield Line(number, text)

    def parse(self, line: Line) -> list[tuple[str, Any]]:
        """The keys and values of a line; raises :class:`UsageError`."""
        return _parse_object(line.text) if self._as_json else [("prompt", _parse_prompt(line.text))]

    def _starts_with_brace(self) -> bool:
        first = next(iter(self), None)
        return first is not None and first.text.lstrip().startswith(b"{")


def add_line_number(number: int, error: ImagegenError) -> ImagegenError:
    """Put the line's number before the error's message; returns the error."""
    error.message = f"line {number}: {error.message}"
    error.args = (error.message,)
    return error


class _Pairs(list[tuple[str, Any]]):
    """The pairs of a JSON object, so that a duplicate key is noticed."""


def _parse_object(text: bytes) -> list[tuple[str, Any]]:
    try:
        value = json.loads(text.decode(), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        reason = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
        raise UsageError(f"it is not a JSON object: {reason}", hint='such as {"prompt": "a red fox"}') from error
    if not isinstance(value, _Pairs):
        raise UsageError("it is not a JSON object", hint='such as {"prompt": "a red fox"}')
    return value


def _parse_prompt(text: bytes) -> str:
    try:
        return text.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError("it is not valid UTF-8 text", hint="save the file as UTF-8") from error
