"""Turns a recording of Codex into a fixture, without Codex's own texts, the machine's paths and large pictures.

Every record keeps its structure, the order of its keys and its line. The scrubber replaces Codex's instructions (base,
developer and system messages, tool descriptions, skills, environment, permissions), folders, ports, account data, and
each picture by a tiny one. Equal base64 becomes the same tiny picture, different base64 a different one; a torn picture
stays torn; pictures from user messages and ``view_image`` become larger than those that were made, as in real use.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from PIL import Image

from codex_imagegen.images.decode import decode_picture
from codex_imagegen.images.structure import DamagedImage
from tests.support.pictures import encoded, torn

HOME, WORK, REFERENCES, PRIVATE = "/home/user/.codex", "/tmp/codex-imagegen-run-x", "/home/user/refs", "/home/user/own"
INSTALLED = "/usr/lib"
PICTURE_SIDE, REFERENCE_SIDE = 8, 16
MAX_WORDS = 600

_BLOB = re.compile(r"(?<![A-Za-z0-9+/])(?:iVBORw0KGgo|/9j/|UklGR)[A-Za-z0-9+/]{40,}={0,2}")
_CONTEXT = re.compile(r"\s*(?:<(?!image\b|/image\b)[a-z_]+[ >]|# AGENTS\.md|# Collaboration Mode)", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_PORT = re.compile(r"(127\.0\.0\.1|localhost):\d+")
_OWN_WORDS = {
    "description", "definition", "user_instructions", "developer_instructions", "instructions", "usage_hint", "body",
    "filesystem", "context_window_guidance",
}  # fmt: skip
_ACCOUNT = {
    "creator_user_id", "creator_account_id", "account_id", "chatgpt_account_id", "chatgpt_user_id", "installation_id"
}  # fmt: skip
_SETTINGS = {"turn_context", "world_state", "token_usage_record", "thread_settings_applied", "task_started"}
_COUNT = '"type":"token_count"'
_ASKED_BY = {"user", "developer", "system"}
_TOOL = "image_gen__imagegen"


class Scrubber:
    """Scrubs one run: stores which picture replaces which, and which calls were calls of ``view_image``.

    ``folders`` maps each real folder to its replacement.
    """

    def __init__(self, folders: Mapping[str, str]) -> None:
        self._folders = sorted(folders.items(), key=lambda pair: -len(pair[0]))
        self._pictures: dict[str, str] = {}
        self._viewed: set[str] = set()

    def lines(self, text: str) -> str:
        """Scrub a rollout, or an event stream."""
        return "".join(self.record(line) for line in text.splitlines(keepends=True))

    def text(self, value: str, *, reference: bool = False) -> str:
        """Replace folders, ports, addresses and pictures in any text."""
        for real, stands_for in self._folders:
            value = value.replace(real, stands_for)
        value = _PORT.sub(r"\1:8080", _EMAIL.sub("user@example.com", value))
        return _BLOB.sub(lambda match: self._picture(match.group(), reference), value)

    def record(self, line: str) -> str:
        """Scrub one line; a torn line stays torn."""
        ending = line[len(line.rstrip("\n")) :]
        try:
            record = json.loads(line)
        except ValueError:
            return self.text(line)
        payload = record.get("payload")
        own, reference = self._nature(payload) if isinstance(payload, dict) else (False, False)
        scrubbed = self._walk(record, "", own=own, reference=reference)
        return json.dumps(scrubbed, ensure_ascii=False, separators=(",", ":")) + ending

    def _nature(self, payload: dict[str, Any]) -> tuple[bool, bool]:
        """Whether a record holds Codex's own text, and whether it holds pictures that were shown to the model."""
        kind, role, called = payload.get("type"), payload.get("role"), str(payload.get("call_id"))
        if payload.get("name") == "view_image" or "view_image" in str(payload.get("input", "")):
            self._viewed.add(called)
        shown = role == "user" or kind == "user_message" or (str(kind).endswith("_output") and called in self._viewed)
        return kind == "message" and role in {"developer", "system"}, shown

    def _walk(self, value: Any, key: str, *, own: bool, reference: bool) -> Any:
        if isinstance(value, dict):
            if key == "parameters":
                return {}
            if key == "base_instructions" and "text" in value:
                return {**value, "text": "<instructions>"}
            return {name: self._walk(inner, name, own=own, reference=reference) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._walk(inner, key, own=own, reference=reference) for inner in value]
        return self._string(value, key, own=own, reference=reference) if isinstance(value, str) else value

    def _string(self, value: str, key: str, *, own: bool, reference: bool) -> str:
        if key in _ACCOUNT:
            return "account-x"
        if value and (key in _OWN_WORDS or (key == "text" and (own or _CONTEXT.match(value)))):
            offered = f" {_TOOL}" if _TOOL in value else ""  # whether the tool was offered is evidence
            return f"<{'words of Codex' if key == 'text' else key}{offered}>"
        return self.text(value, reference=reference)

    def _picture(self, blob: str, reference: bool) -> str:
        if blob not in self._pictures:
            number = len(self._pictures)
            tiny = encoded(REFERENCE_SIDE if reference else PICTURE_SIDE, ("scrubbed", number))
            self._pictures[blob] = base64.b64encode(tiny if _is_whole(blob) else torn(tiny)).decode()
        return self._pictures[blob]


def without_settings(rollout: str) -> str:
    """A scrubbed rollout without records that never concern a picture: settings, text, token counts but the last.

    These are more than half of it. The other lines are unchanged. One recording of each build and kind of model
    (``ok``) keeps all records.
    """
    lines = [line for line in rollout.splitlines(keepends=True) if not _is_setting(line)]
    counts = [line for line in lines if _COUNT in line]
    return "".join(line for line in lines if line not in counts[:-1])


def without_repetition(stderr: str) -> str:
    """Codex's stderr without repeated lines, which may differ in their time."""
    seen: dict[str, str] = {}
    for line in stderr.splitlines(keepends=True):
        seen.setdefault(re.sub(r"^\S*\d\d:\d\d:\d\d\S*", "", line), line)
    return "".join(seen.values())


def _is_setting(line: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    payload = record.get("payload")
    if record.get("type") in _SETTINGS or payload.get("type") in _SETTINGS:
        return True
    if payload.get("type") == "additional_tools":
        return False  # whether the image tool was offered
    item = payload.get("item") or {}
    asked = payload.get("role") in _ASKED_BY or payload.get("type") == "user_message"
    return (asked or item.get("type") == "UserMessage") and not _BLOB.search(line)


def long_strings(text: str) -> Iterable[str]:
    """Strings of a scrubbed recording that are so long that they may be instructions."""
    return [word for word in re.findall(r'"((?:[^"\\]|\\.)*)"', _BLOB.sub("", text)) if len(word) > MAX_WORDS]


def _is_whole(blob: str) -> bool:
    try:
        decode_picture(base64.b64decode(blob, validate=True))
    except (DamagedImage, binascii.Error, Image.DecompressionBombError):
        return False
    return True
