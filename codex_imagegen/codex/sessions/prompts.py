"""What a past session was asked: the user's messages, among all that Codex itself puts into the user's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from codex_imagegen.codex.sessions import rollout
from codex_imagegen.codex.sessions.tail import HEAD
from codex_imagegen.images.base64_images import Blob

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


class Asked:
    """Reads a rollout's lines. ``prompt`` is what was asked first, ``now`` what holds at the place that is reached.

    The event of the user's message (``user_message``, from 0.148.0 an item ``UserMessage``) has the typed words alone
    and is believed first; without one, the user's message with a text that Codex did not add.
    """

    def __init__(self) -> None:
        self.now = Setting()
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
            self.now = replace(self.now, model=_clip(payload.get("model")))
        elif typed := _typed(payload):
            self._sure = self._sure or typed
            self.now = replace(self.now, prompt=typed)
        elif payload.get("role") == "user" and (likely := _first(payload)):
            self._likely = self._likely or likely
            self.now = replace(self.now, prompt=likely, references=tuple(rollout.pictures_of(payload, found)))


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
