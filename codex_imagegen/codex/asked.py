"""What a past session was asked first: the prompt, among all that Codex itself puts into a user's message."""

from __future__ import annotations

import re
from typing import Any

from codex_imagegen.codex import rollout
from codex_imagegen.codex.tail import HEAD

MAX_CHARS = 500
"""Characters of a prompt that are kept: enough to know it again."""

_USERS = (b'"user_message"', b'"UserMessage"', b'"role":"user"')
_CODEX_OWN = re.compile(r"# AGENTS\.md instructions|<[a-z_]+(?: |>)|</image>")
"""How the texts begin that Codex adds in the user's name: project documents, the environment, marks of pictures."""


class Asked:
    """Reads a rollout's lines until the prompt is known; ``prompt`` is its beginning, or None.

    The event of the user's message (``user_message``, from 0.148.0 an item ``UserMessage``) has the typed words alone
    and is believed first; without one, the first user's message with a text that Codex did not add.
    """

    def __init__(self) -> None:
        self._sure: str | None = None
        self._likely: str | None = None

    @property
    def prompt(self) -> str | None:
        """The first words of the session, as they were typed."""
        return self._sure or self._likely

    def read(self, line: bytes) -> None:
        """Take one record."""
        if self._sure is not None or not any(mark in line[:HEAD] for mark in _USERS):
            return
        payload = rollout.parse(line)[0].get("payload")
        if not isinstance(payload, dict):
            return
        item = payload.get("item")
        if payload.get("type") == "user_message":
            self._sure = _clip(payload.get("message"))
        elif isinstance(item, dict) and item.get("type") == "UserMessage":
            self._sure = _first(item)
        elif payload.get("role") == "user" and self._likely is None:
            self._likely = _first(payload)


def _first(message: dict[str, Any]) -> str | None:
    """The first text of a message that is the user's own."""
    content = message.get("content")
    for part in content[:100] if isinstance(content, list) else ():
        text = _clip(part.get("text")) if isinstance(part, dict) else None
        if text and not _CODEX_OWN.match(text):
            return text
    return None


def _clip(value: object) -> str | None:
    return value.strip()[:MAX_CHARS] or None if isinstance(value, str) else None
