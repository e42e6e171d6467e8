"""Read a past session: its pictures, each once, and the user's prompts."""

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
from codex_imagegen.images.base64_images import Base64Text
from codex_imagegen.values import as_list, as_object

MAX_PROMPT_CHARS = 8000
"""Characters of a prompt that are kept; Codex takes up to 1,048,576."""
MAX_FIRST_PROMPT_CHARS = 500
"""Characters of the first prompt that are kept: enough to recognize a session."""

_MAX_PENDING = 10_000
_IMAGE_MARKS = (b'"function_call"', b'"custom_tool_call"', b'"session_meta"', b"image_gen")
_USER_MARKS = (b'"user_message"', b'"UserMessage"', b'"role":"user"')
_CONTEXT_MARK = b'"turn_context"'
_CODEX_TEXT = re.compile(r"# AGENTS\.md instructions|<[a-z_]+(?: |>)|</image>")
"""The beginnings of texts that Codex adds in the user's name: project documents, the environment, image tags."""


@dataclass(frozen=True, slots=True)
class PromptContext:
    """The context of a picture: the last message of the user, and the model that received it.

    ``references`` are the pictures of that message, still in base64 (see :func:`base64_images.decode`).
    """

    prompt: str | None = None
    references: tuple[Base64Text, ...] = ()
    model: str | None = None


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A picture of a past session, not decoded yet.

    ``digest`` is the SHA-256 of ``data``, ``time`` when the record or the file was written in Unix seconds, and
    ``context`` the prompt and the model.
    """

    data: bytes
    digest: bytes
    revised_prompt: str | None
    context: PromptContext
    time: float


class SessionReader:
    """Reads one past session. Its attributes are known once :meth:`pictures` has ended.

    ``is_damaged``: the rollout ends in the middle of a picture, or has one that is not valid base64, and Codex saved no
    file of it. ``unreadable``: why the rollout could not be read to its end. ``files``: digest and path of each picture
    that Codex also saved as a file. ``tick`` is called for each line; an exception from it ends the reading.
    ``on_prompt`` is called with each prompt of the user in its whole length; it may get one twice.
    """

    def __init__(
        self,
        codex_home: str,
        ref: SessionRef,
        tick: Callable[[], None] | None = None,
        on_prompt: Callable[[str], None] | None = None,
    ) -> None:
        self._home, self._ref, self._tick = codex_home, ref, tick
        self._prompts = PromptReader(on_prompt)
        self._pending: dict[str, tuple[PromptContext, str | None]] = {}
        self._seen: set[bytes] = set()
        self.files: dict[bytes, str] = {}
        self.codex_version: str | None = None
        self.is_damaged = False
        self.unreadable: str | None = None

    @property
    def prompt(self) -> str | None:
        """The beginning of the session's first prompt."""
        return self._prompts.prompt

    @property
    def context(self) -> PromptContext:
        """The prompt and the model at the end of what has been read."""
        return self._prompts.context

    def pictures(self) -> Iterator[StoredImage]:
        """Yield the pictures in the records, in order, then those that are only in files saved by Codex."""
        records = rollout.RecordReader()
        for line in self._lines():
            self._prompts.read(line)
            if _may_hold_picture(line):
                for candidate in records.read(line):
                    yield from self._recorded_picture(candidate, line)
        self.codex_version = records.evidence.codex_version
        self.is_damaged |= records.evidence.undecodable_count > 0
        for image in self._saved_pictures():
            self.is_damaged = False
            yield image

    def unrecognized_images(self) -> Iterator[StoredImage]:
        """Yield pictures in records of unknown shapes; for sessions without any other picture."""
        if self._ref.path and not self._ref.is_compressed:
            for data in fallback.find_unrecognized_images(self._ref.path, 0):
                yield from self._if_new(_stored(data, None, PromptContext(), self._ref.created_at))

    def _recorded_picture(self, candidate: Candidate, line: bytes) -> Iterator[StoredImage]:
        """The picture of a record. If the record has no bytes, its context is kept for the thread's file."""
        context = self._prompts.context
        if candidate.data is not None:
            when = rollout.read_time(line[:HEAD]) or self._ref.created_at
            yield from self._if_new(_stored(candidate.data, candidate.revised_prompt, context, when))
        elif candidate.name is not None and len(self._pending) < _MAX_PENDING:
            # without the references, which would keep megabytes in memory until the session's end
            self._pending[candidate.name] = replace(context, references=()), candidate.revised_prompt

    def _if_new(self, image: StoredImage) -> Iterator[StoredImage]:
        if image.digest not in self._seen:
            self._seen.add(image.digest)
            yield image

    def _saved_pictures(self) -> Iterator[StoredImage]:
        """Yield the files in the thread's own folder, whose name is a checked id. A path in a record is never used."""
        folder = layout.pictures_folder(self._home, self._ref.thread_id) if self._ref.thread_id else None
        for path, status in fallback.list_saved_files(folder) if folder else ():
            data = fallback.read_saved_file(path)
            if data:
                context, revised_prompt = self._pending.get(_stem(path), (PromptContext(), None))
                image = _stored(data, revised_prompt, context, status.st_mtime)
                self.files.setdefault(image.digest, path)
                yield from self._if_new(image)

    def _wants(self, head: bytes) -> bool:
        if self._tick is not None:
            self._tick()
        return rollout.is_relevant(head) or may_hold_prompt(head)

    def _lines(self) -> Iterator[bytes]:
        """Yield each relevant line, and the incomplete last one, which a kill may have cut."""
        if self._ref.path is None or self._ref.is_compressed:
            return
        try:
            with closing(Tail(self._ref.path, wants=self._wants)) as tail:
                yield from tail.lines()
                self.is_damaged = rollout.is_torn_picture(tail.partial_line)
                yield tail.partial_line
        except OSError as error:
            self.unreadable = error.strerror or str(error)


def _stored(data: bytes, revised_prompt: str | None, context: PromptContext, when: float) -> StoredImage:
    return StoredImage(data, hashlib.sha256(data).digest(), revised_prompt, context, when)


def _may_hold_picture(line: bytes) -> bool:
    """Whether a line may hold a picture: most lines of a long session do not, and are not parsed."""
    head = line[:HEAD]
    return any(mark in head for mark in _IMAGE_MARKS) or base64_images.may_contain_image(line)


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


class PromptReader:
    """Reads the user's prompts from a rollout's lines.

    ``prompt`` is the first one, ``context`` the last one and its model. The event of a user's message
    (``user_message``, from 0.148.0 an item ``UserMessage``) has only the typed text, so it wins. Without such an event,
    the prompt is the first text in the user's message that Codex did not add.
    """

    def __init__(self, on_prompt: Callable[[str], None] | None = None) -> None:
        self.context = PromptContext()
        self._on_prompt = on_prompt
        self._first_typed: str | None = None
        self._first_likely: str | None = None

    @property
    def prompt(self) -> str | None:
        """The beginning of the session's first prompt, as it was typed."""
        first = self._first_typed or self._first_likely
        return first[:MAX_FIRST_PROMPT_CHARS] if first else None

    def read(self, line: bytes) -> None:
        """Read one record."""
        if not may_hold_prompt(line[:HEAD]):
            return
        record, found = rollout.parse_record(line)
        payload = record.get("payload")
        if not isinstance(payload, dict):
            return
        if record.get("type") == "turn_context":
            self.context = replace(self.context, model=_clip(payload.get("model")))
        elif typed := self._clip_prompt(_typed_text(payload)):
            self._first_typed = self._first_typed or typed
            self.context = replace(self.context, prompt=typed)
        elif payload.get("role") == "user" and (likely := self._clip_prompt(_user_text(payload))):
            self._first_likely = self._first_likely or likely
            references = tuple(rollout.find_pictures(payload, found))
            self.context = replace(self.context, prompt=likely, references=references)

    def _clip_prompt(self, prompt: str | None) -> str | None:
        if prompt and self._on_prompt is not None:
            self._on_prompt(prompt)
        return _clip(prompt)


def may_hold_prompt(head: bytes) -> bool:
    """Whether a line with this beginning may hold a prompt or a model."""
    return _CONTEXT_MARK in head or any(mark in head for mark in _USER_MARKS)


def _typed_text(payload: dict[str, Any]) -> str | None:
    """The text in the event of a user's message."""
    item = payload.get("item")
    if payload.get("type") == "user_message":
        return _strip(payload.get("message"))
    return _user_text(item) if isinstance(item, dict) and item.get("type") == "UserMessage" else None


def _user_text(message: dict[str, Any]) -> str | None:
    """The first text of a message that Codex did not add."""
    return next((text for text in _texts(message) if not _CODEX_TEXT.match(text)), None)


def _texts(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    for part in as_list(content)[:100]:
        text = _strip(as_object(part).get("text"))
        if text:
            yield text


def _strip(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _clip(value: object) -> str | None:
    text = _strip(value)
    return text[:MAX_PROMPT_CHARS] if text else None
