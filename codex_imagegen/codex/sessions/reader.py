"""What a past session still holds: its pictures, each once, and what it was asked.

What a past session was asked: the user's messages, among all that Codex itself puts into the user's name.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from codex_imagegen.codex.sessions import fallback, layout, rollout
from codex_imagegen.codex.sessions.history import SessionRef
from codex_imagegen.codex.sessions.rollout import Candidate
from codex_imagegen.codex.sessions.tail import HEAD, Tail
from codex_imagegen.images import base64_images
from codex_imagegen.images.base64_images import Blob

_WORTH_READING = (b'"function_call"', b'"custom_tool_call"', b'"session_meta"', b"image_gen")
_MAX_NAMED = 10_000


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture of a past session, not decoded yet.

    ``digest`` is the SHA-256 of ``data``, ``time`` when the record or the file was written in Unix seconds, and
    ``context`` what had been asked.
    """

    data: bytes
    digest: bytes
    revised_prompt: str | None
    context: Setting
    time: float


class SessionReader:
    """Reads one past session. Its attributes are known once :meth:`pictures` has ended.

    ``is_damaged``: the rollout ends in the middle of a picture, or has one that is not valid base64, and Codex saved no
    file of it. ``unreadable``: why the rollout could not be read to its end. ``files``: digest and path of each picture
    that Codex also saved as a file. ``tick`` is called for each line; an exception from it ends the reading.
    """

    def __init__(self, codex_home: str, past: SessionRef, tick: Callable[[], None] | None = None) -> None:
        self._home, self._past, self._tick = codex_home, past, tick
        self._asked = PromptReader()
        self._named: dict[str, tuple[Setting, str | None]] = {}
        self._seen: set[bytes] = set()
        self.files: dict[bytes, str] = {}
        self.codex_version: str | None = None
        self.is_damaged = False
        self.unreadable: str | None = None

    @property
    def prompt(self) -> str | None:
        """The beginning of what the session was asked first."""
        return self._asked.prompt

    @property
    def context(self) -> Setting:
        """What holds at the end of what has been read."""
        return self._asked.context

    def pictures(self) -> Iterator[StoredImage]:
        """The pictures that the records say were made, in their order, then those that Codex saved besides."""
        records = rollout.Records()
        for line in self._lines():
            self._asked.read(line)
            if _may_hold(line):
                for candidate in records.read(line):
                    yield from self._recorded(candidate, line)
        self.codex_version = records.evidence.codex_version
        self.is_damaged |= records.evidence.undecodable_count > 0
        for kept in self._saved():
            self.is_damaged = False
            yield kept

    def unrecognized_images(self) -> Iterator[StoredImage]:
        """What the safety net finds: asked where there are no pictures at all."""
        if self._past.path and not self._past.is_compressed:
            for data in fallback.unrecognized_images(self._past.path, 0):
                yield from self._new(_kept(data, None, Setting(), self._past.created_at))

    def _recorded(self, candidate: Candidate, line: bytes) -> Iterator[StoredImage]:
        """The picture of a record; one that the record does not hold is in the thread's folder, which is read too."""
        setting = self._asked.context
        if candidate.data is not None:
            when = rollout.time_of(line[:HEAD]) or self._past.created_at
            yield from self._new(_kept(candidate.data, candidate.revised_prompt, setting, when))
        elif candidate.name is not None and len(self._named) < _MAX_NAMED:
            # without the references, which are megabytes and would be held to the session's end
            self._named[candidate.name] = replace(setting, references=()), candidate.revised_prompt

    def _new(self, kept: StoredImage) -> Iterator[StoredImage]:
        if kept.digest not in self._seen:
            self._seen.add(kept.digest)
            yield kept

    def _saved(self) -> Iterator[StoredImage]:
        """Files in the thread's own folder, whose name is proven to be an id: a path in a record is never followed."""
        folder = layout.pictures_folder(self._home, self._past.thread_id) if self._past.thread_id else None
        for path, status in fallback.saved_files(folder) if folder else ():
            data = fallback.read(path)
            if data:
                setting, revised = self._named.get(_stem(path), (Setting(), None))
                kept = _kept(data, revised, setting, status.st_mtime)
                self.files.setdefault(kept.digest, path)
                yield from self._new(kept)

    def _wants(self, head: bytes) -> bool:
        if self._tick is not None:
            self._tick()
        return rollout.wants(head) or speaks(head)

    def _lines(self) -> Iterator[bytes]:
        """Each line that can say something, and what stands behind the last line feed, which a kill may have cut."""
        if self._past.path is None or self._past.is_compressed:
            return
        try:
            with closing(Tail(self._past.path, wants=self._wants)) as tail:
                yield from tail.lines()
                self.is_damaged = rollout.tears_picture(tail.partial_line)
                yield tail.partial_line
        except OSError as error:
            self.unreadable = error.strerror or str(error)


def _kept(data: bytes, revised_prompt: str | None, setting: Setting, when: float) -> StoredImage:
    return StoredImage(data, hashlib.sha256(data).digest(), revised_prompt, setting, when)


def _may_hold(line: bytes) -> bool:
    """Whether a line can say something of a picture: most of a long session's lines can't, and are not parsed."""
    head = line[:HEAD]
    return any(word in head for word in _WORTH_READING) or base64_images.may_hold(line)


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


MAX_CHARS = 8000
"""Characters of a prompt that are kept; Codex takes up to 1,048,576."""
FIRST_CHARS = 500
"""Characters of the first prompt: enough to know a session again."""

_USERS = (b'"user_message"', b'"UserMessage"', b'"role":"user"')
_CONTEXT = b'"turn_context"'
_CODEX_OWN = re.compile(r"# AGENTS\.md instructions|<[a-z_]+(?: |>)|</image>")
"""How the texts begin that Codex adds in the user's name: project documents, the environment, marks of pictures."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What was the case at some place of a session: the last message of the user's, and the model that got it.

    ``references`` are the pictures of that message, still in base64 (see :func:`blobs.decode`).
    """

    prompt: str | None = None
    references: tuple[Blob, ...] = ()
    model: str | None = None


class PromptReader:
    """Reads a rollout's lines. ``prompt`` is what was asked first, ``context`` what holds at the place that is reached.

    The event of the user's message (``user_message``, from 0.148.0 an item ``UserMessage``) has the typed words alone
    and is believed first; without one, the user's message with a text that Codex did not add.
    """

    def __init__(self) -> None:
        self.context = Setting()
        self._sure: str | None = None
        self._likely: str | None = None

    @property
    def prompt(self) -> str | None:
        """The first words of the session, as they were typed."""
        first = self._sure or self._likely
        return first[:FIRST_CHARS] if first else None

    def read(self, line: bytes) -> None:
        """Take one record."""
        if not speaks(line[:HEAD]):
            return
        record, found = rollout.parse(line)
        payload = record.get("payload")
        if not isinstance(payload, dict):
            return
        if record.get("type") == "turn_context":
            self.context = replace(self.context, model=_clip(payload.get("model")))
        elif typed := _typed(payload):
            self._sure = self._sure or typed
            self.context = replace(self.context, prompt=typed)
        elif payload.get("role") == "user" and (likely := _first(payload)):
            self._likely = self._likely or likely
            self.context = replace(self.context, prompt=likely, references=tuple(rollout.pictures_of(payload, found)))


def speaks(head: bytes) -> bool:
    """Whether a line that begins like this can hold what is read here."""
    return _CONTEXT in head or any(mark in head for mark in _USERS)


def _typed(payload: dict[str, Any]) -> str | None:
    """The words of a message's event."""
    item = payload.get("item")
    if payload.get("type") == "user_message":
        return _clip(payload.get("message"))
    return _first(item) if isinstance(item, dict) and item.get("type") == "UserMessage" else None


def _first(message: dict[str, Any]) -> str | None:
    """The first text of a message that is the user's own."""
    return next((text for text in _texts(message) if not _CODEX_OWN.match(text)), None)


def _texts(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    for part in content[:100] if isinstance(content, list) else ():
        text = _clip(part.get("text")) if isinstance(part, dict) else None
        if text:
            yield text


def _clip(value: object) -> str | None:
    return value.strip()[:MAX_CHARS] or None if isinstance(value, str) else None
