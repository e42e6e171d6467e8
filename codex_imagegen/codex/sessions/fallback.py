"""Find a picture if no record of a known shape has one: in Codex's saved files, then in records of any shape."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any

from codex_imagegen.codex.sessions import rollout
from codex_imagegen.codex.sessions.tail import Tail
from codex_imagegen.files.opening import open_regular
from codex_imagegen.images import base64_images
from codex_imagegen.results import Warning_

MAX_FILE_BYTES = 256 * 1024 * 1024
"""A larger file can't be a picture of an image model, and is not read."""

UNKNOWN_RECORD = Warning_(
    "unknown-record",
    "the picture was in a record of a kind that this version does not know; look at it before you use it",
)

_HINTS = (b'_call"', *base64_images.BASE64_MAGICS)
_INPUT_ROLES = ("user", "developer", "system")
_INPUT_TYPES = ("user_message", "UserMessage", "view_image_tool_call", "ImageView")


def list_saved_files(folder: str) -> list[tuple[str, os.stat_result]]:
    """Path and status of each regular file in a thread's own pictures folder, oldest first; links are not followed."""
    try:
        if stat.S_ISLNK(os.lstat(folder).st_mode):
            return []
        with os.scandir(folder) as entries:
            found = [(entry.path, entry.stat(follow_symlinks=False)) for entry in entries]
    except OSError:
        return []
    found.sort(key=lambda file: (file[1].st_mtime_ns, file[0]))
    return [file for file in found if stat.S_ISREG(file[1].st_mode) and 0 < file[1].st_size <= MAX_FILE_BYTES]


def read_saved_files(folder: str, wants: Callable[[str, os.stat_result], bool] | None = None) -> Iterator[bytes]:
    """Yield the bytes of each of these files, or of those that ``wants`` selects."""
    for path, status in list_saved_files(folder):
        data = read_saved_file(path) if wants is None or wants(path, status) else None
        if data:
            yield data


def find_unrecognized_images(path: str, offset: int) -> Iterator[bytes]:
    """Yield the pictures in records of unknown shapes, from an offset on (see :class:`UnrecognizedImages`)."""
    reader = UnrecognizedImages()
    for line in read_lines(path, offset):
        reader.read(line)
    yield from reader.pictures


def read_lines(path: str, offset: int) -> Iterator[bytes]:
    """Yield a rollout's lines from an offset on, with the incomplete last one; nothing where it can't be read."""
    with contextlib.suppress(OSError), contextlib.closing(Tail(path, offset)) as tail:
        yield from tail.lines()
        if tail.partial_line:
            yield tail.partial_line


def read_saved_file(path: str) -> bytes | None:
    """The bytes of one of these files, or None where it can't be read."""
    try:
        with open_regular(path, follow=False) as file:
            return file.read(MAX_FILE_BYTES)
    except OSError:
        return None


class UnrecognizedImages:
    """Collects every picture in records of any shape, except pictures that the model was shown.

    Left out are messages to the model, also where a compacted history repeats them; what ``view_image`` read; and the
    output of a call that is not on record.
    """

    def __init__(self) -> None:
        self._found: list[tuple[str | None, bytes]] = []
        self._calls: dict[str, bool] = {}

    @property
    def pictures(self) -> list[bytes]:
        """The pictures in the lines read so far. Read the whole rollout first: a call may be recorded later."""
        return [data for call_id, data in self._found if call_id is None or self._calls.get(call_id)]

    def read(self, line: bytes) -> None:
        """Read one record."""
        if not any(hint in line for hint in _HINTS):
            return
        record, found = rollout.parse_record(line)
        payload = record.get("payload")
        if isinstance(payload, dict):
            self._read_call(payload)
        for call_id, value in _strings(record):
            blob = base64_images.extracted_text(value, found)
            data = base64_images.decode(blob) if blob else None
            if data is not None:
                self._found.append((call_id, data))

    def _read_call(self, payload: dict[str, Any]) -> None:
        """Remember a call, and whether its output may be a picture that was made."""
        script, call_id = payload.get("input"), payload.get("call_id")
        if payload.get("type") in rollout.CALLS and isinstance(call_id, str) and len(self._calls) < rollout.MAX_CALLS:
            views = payload.get("name") == "view_image" or (isinstance(script, str) and "view_image" in script)
            self._calls[call_id] = self._calls.get(call_id, True) and not views


def _strings(record: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Yield each string of a record with the id of the call that returned it, except what the model was shown."""
    stack: list[tuple[str | None, object]] = [(None, record)]
    while stack:
        call_id, value = stack.pop()
        if isinstance(value, str):
            yield call_id, value
        elif isinstance(value, list):
            stack += [(call_id, inner) for inner in value]
        elif isinstance(value, dict) and not _is_input(value):
            if value.get("type") in rollout.OUTPUTS:
                call_id = str(value.get("call_id"))
            stack += [(call_id, inner) for inner in value.values()]


def _is_input(part: dict[str, Any]) -> bool:
    """Whether a part of a record holds what the model was shown, not what it made."""
    return part.get("role") in _INPUT_ROLES or part.get("type") in _INPUT_TYPES
