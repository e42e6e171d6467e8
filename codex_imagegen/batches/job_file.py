"""A job file, read line by line from a private copy; it is never in memory as a whole."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from codex_imagegen.errors import ImagegenError, UsageError

MAX_LINE = 16 * 1024 * 1024
"""Bytes of a line: a prompt of Codex's maximum length has 12 MB with every character escaped."""

_CHUNK = 1024 * 1024
_HEAD = 4096
"""Bytes in which a file that is not text (a picture, UTF-16) has a NUL."""
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_TABLE_SUFFIXES = (".csv", ".tsv", ".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
_BOM = b"\xef\xbb\xbf"
_COMMENT = b"#"

_FORM_HINT = 'give a prompt a line, or a JSON object a line, such as {"prompt": "a red fox", "out": "fox.png"}'
_ARRAY = re.compile(rb"\s*\[\s*(\{|$)")
_CELL = re.compile(r"[\w -]{,24}")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file; ``number`` counts from 1 and includes blank lines and comments."""

    number: int
    text: bytes


class JobFile:
    """A private copy of a job file, which may come from a pipe or be edited while the batch runs.

    It is JSON Lines if its name has such a suffix or its first line begins with a brace; else each line is a prompt.
    A line that begins with ``#`` is a comment. Raises :class:`UsageError` for a table, for a JSON array, and for
    a file that is not text.
    """

    def __init__(self, source: IO[bytes], name: str) -> None:
        _check_suffix(name)
        self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            while chunk := source.read(_CHUNK):
                self._copy.write(chunk)
            self._check_text(name)
            first = next(iter(self), Line(0, b"")).text
            self._as_json = name.lower().endswith(_JSON_SUFFIXES) or first.lstrip().startswith(b"{")
            _check_form(first, as_json=self._as_json)
        except BaseException:
            self.close()
            raise

    def _check_text(self, name: str) -> None:
        self._copy.seek(0)
        if b"\0" in self._copy.read(_HEAD):
            raise UsageError(f"the job file {name!r} is not text", hint=_FORM_HINT)

    def close(self) -> None:
        """Delete the copy."""
        self._copy.close()

    def __iter__(self) -> Iterator[Line]:
        """Each line that is neither blank nor a comment; raises :class:`UsageError` for one that is too long."""
        self._copy.seek(0)
        number = 0
        while text := self._copy.readline(MAX_LINE + 1):
            number += 1
            if len(text) > MAX_LINE:
                error = UsageError(f"it is longer than {MAX_LINE:,} bytes", hint="give one job a line")
                raise add_line_number(number, error)
            text = text.removeprefix(_BOM) if number == 1 else text
            if text.strip() and not text.startswith(_COMMENT):
                yield Line(number, text)

    def parse(self, line: Line) -> list[tuple[str, Any]]:
        """The keys and values of a line; raises :class:`UsageError`."""
        return _parse_object(line.text) if self._as_json else [("prompt", _parse_prompt(line.text))]


def add_line_number(number: int, error: ImagegenError) -> ImagegenError:
    """Put the line's number before the error's message; returns the error."""
    error.message = f"line {number}: {error.message}"
    error.args = (error.message,)
    return error


def _check_suffix(name: str) -> None:
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _TABLE_SUFFIXES:
        raise UsageError(f"a job file is text or JSON Lines, and {name!r} is a table ({suffix})", hint=_FORM_HINT)


def _check_form(first: bytes, *, as_json: bool) -> None:
    """Refuse a file whose first line is that of a JSON array or of a table: its lines are no prompts."""
    if _ARRAY.match(first):
        raise UsageError("the job file is a JSON array", hint=_FORM_HINT)
    if not as_json and _is_header(first):
        raise UsageError("the job file is a table: its first line has the names of columns", hint=_FORM_HINT)


def _is_header(first: bytes) -> bool:
    """Whether a line has the word ``prompt`` alone, or beside other short words with a separator between them."""
    text = first.decode(errors="replace").strip().lower()
    separator = next((each for each in "\t;," if each in text), ",")
    cells = [cell.strip().strip('"') for cell in text.split(separator)]
    return "prompt" in cells and all(map(_CELL.fullmatch, cells))


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
