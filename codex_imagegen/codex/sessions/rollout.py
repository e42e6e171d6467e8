"""Parse the records of a rollout. Only this module knows their shapes.

The format is private to Codex and has changed four times (measured on the real builds):

=================  ==================================================================================================
0.111.0 – 0.116.0  ``response_item`` / ``image_generation_call`` with ``result``
0.117.0 – 0.143.0  before it, ``event_msg`` / ``image_generation_end`` with ``call_id``, ``result``, ``saved_path``
0.144.0 – 0.147.0  ``image_generation_end``, and the output of the function ``image_gen.imagegen``
0.148.0 – 0.169.0  ``event_msg`` / ``item_completed`` with an ``Extension`` item of kind ``image_gen.generation``
=================  ==================================================================================================

A record is read by its type, never by its position. A record with a missing key or a value of another type is ignored,
and no line raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.sessions.tail import HEAD
from codex_imagegen.images import base64_images
from codex_imagegen.images.base64_images import Base64Text
from codex_imagegen.values import as_list, as_number, as_object, as_text, parse_object

RECORD_KINDS = frozenset({
    "session_meta", "response_item", "event_msg", "turn_context", "world_state", "compacted", "token_usage_record",
    "inter_agent_communication", "inter_agent_communication_metadata", "security_risk_score", "realtime_item",
})  # fmt: skip
"""The kinds of records that Codex writes: those in the recordings, and others that 0.169.0 names."""

_TYPES = re.compile(rb'"type":"(\w+)"(?:,"payload":\{"type":"(\w+)")?')
_TIME = re.compile(rb'\A\{"timestamp":"([0-9T:.Z+-]{19,40})"')
_MAX_TIME = 4e9
"""The year 2096, in Unix seconds: a later time is invalid."""

_TOOL_LIST = b"additional_tools"
_IGNORED_KINDS = {b"world_state", b"compacted", b"token_usage_record"}
_IGNORED_PAYLOADS = {
    b"agent_message_delta", b"agent_reasoning", b"agent_reasoning_raw_content", b"reasoning",
    b"task_started", b"thread_settings_applied", b"user_message",
}  # fmt: skip
_IMAGE_TYPES = {"image_generation_call", "image_generation_end"}
_TOOL_NAMES = {"imagegen", "image_gen.imagegen", "image_gen__imagegen", "image_genimagegen"}
_IMAGE_RECORDS = {b"image_generation_call", b"image_generation_end", b"item_completed"}
CALLS = ("function_call", "custom_tool_call")
OUTPUTS = ("function_call_output", "custom_tool_call_output")
MAX_CALLS = 1000
_MAX_TEXT = 4000
_MAX_ITEMS = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that a record reports as made. Where ``data`` is None, the record has no bytes: look for the file.

    ``name`` is the picture's id in the record, and the name of the file that Codex saves, without its suffix.
    """

    data: bytes | None
    revised_prompt: str | None = None
    name: str | None = None


@dataclass(slots=True)
class Evidence:
    """What the records read so far report, except pictures. Texts are clipped and lists bounded.

    ``drawing_sec`` are the seconds from the last call of the image tool to its failure, by the records' own times.
    ``message`` is the model's last message.
    """

    codex_version: str | None = None
    provider: str | None = None
    model: str | None = None
    drawing_sec: float | None = None
    tool_called: bool = False
    used_tokens: bool = False
    called_tools: bool = False
    image_count: int = 0
    undecodable_count: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    tool_errors: list[str] = field(default_factory=list)
    failed_items: int = 0
    error_info: object = None
    limit_resets_at: int | None = None
    has_account: bool | None = None
    is_tool_offered: bool | None = None
    message: str | None = None
    completed: bool = False
    aborted: str | None = None


def is_relevant(head: bytes) -> bool:
    """Whether a line with this beginning may have a picture, a failure, or anything else that is read here."""
    kind = _TYPES.search(head)
    if kind is None:
        return True
    if kind[1] == b"response_item" and kind[2] == b"message":
        return b'"role":"assistant"' in head
    return kind[1] not in _IGNORED_KINDS and kind[2] not in _IGNORED_PAYLOADS


def read_kind(head: bytes) -> str | None:
    """The kind that a record's beginning names: one of :data:`RECORD_KINDS`, unless a newer Codex has added one."""
    found = _TYPES.search(head[:HEAD])
    return found[1].decode() if found else None


def is_torn_picture(rest: bytes) -> bool:
    """Whether the text after a rollout's last line feed is the beginning of a record with a picture in it."""
    kind = _TYPES.search(rest[:HEAD])
    has_image = (
        kind is not None and kind[2] in _IMAGE_RECORDS and any(magic in rest for magic in base64_images.BASE64_MAGICS)
    )
    return has_image and not parse_record(rest)[0]


class RecordReader:
    """Reads the lines of one thread in order, and remembers which calls were calls of the image tool."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self._calls: dict[str, bool] = {}
        self._received: set[str] = set()
        self._head = b""
        self._called_at: float | None = None

    def read(self, line: bytes) -> list[Candidate]:
        """Return the pictures that this record reports as made, and add its other facts to :attr:`evidence`."""
        try:
            return self._read_record(line)
        except RecursionError:  # nested more deeply than any record of Codex
            return []

    def _read_record(self, line: bytes) -> list[Candidate]:
        self._head = line[:HEAD]
        kind = _TYPES.search(self._head)
        if kind is not None and kind[2] == _TOOL_LIST:
            self._read_tool_list(line)
            return []
        record, found = parse_record(line)
        payload = record.get("payload")
        if not isinstance(payload, dict):
            return []
        if record.get("type") == "session_meta":
            self._read_meta(payload)
            return []
        if record.get("type") == "turn_context":
            self.evidence.model = as_text(payload.get("model"))
            return []
        return list(self._read_payload(payload, found))

    def _read_payload(self, payload: dict[str, Any], found: list[memoryview]) -> Iterator[Candidate]:
        kind = as_text(payload.get("type"))
        if kind in _IMAGE_TYPES:
            yield from self._read_image(payload, found)
        elif kind in {"item_completed", "item_started"}:
            yield from self._read_item(payload.get("item"), found)
        elif kind in CALLS:
            self._read_call(payload)
        elif kind in OUTPUTS:
            yield from self._read_output(payload, found)
        else:
            self._read_event(kind, payload)

    def _read_meta(self, payload: dict[str, Any]) -> None:
        evidence = self.evidence
        evidence.codex_version = evidence.codex_version or as_text(payload.get("cli_version"))
        evidence.provider = as_text(payload.get("model_provider"))
        if "account_scoped" in payload or "creator_user_id" in payload:  # from 0.160.1
            evidence.has_account = bool(payload.get("creator_account_id"))

    def _read_tool_list(self, line: bytes) -> None:
        """Search the list of a code-mode model's tools: it has tens of kilobytes, so it is not parsed."""
        if b'"exec"' in line:
            self.evidence.is_tool_offered = b"image_gen" in line

    def _read_item(self, item: object, found: list[memoryview]) -> Iterator[Candidate]:
        if not isinstance(item, dict):
            return
        kinds = f"{item.get('type')} {item.get('kind')}".lower()
        if "image_gen" in kinds or "imagegen" in kinds:
            yield from self._read_image(item, found)
        elif item.get("type") == "AgentMessage":
            self._read_message(item.get("content"))

    def _read_image(self, item: dict[str, Any], found: list[memoryview]) -> Iterator[Candidate]:
        evidence = self.evidence
        evidence.tool_called = True
        if item.get("status") == "failed":
            evidence.failed_items += 1
            self._measure_drawing()
        failure = item.get("failure")
        if isinstance(failure, dict):
            _append(evidence.failures, {key: _clip(value) for key, value in failure.items()})
        blob = base64_images.extracted_text(item.get("result"), found)
        name = as_text(item.get("call_id") or item.get("id"))
        revised = as_text(item.get("revised_prompt") or item.get("revisedPrompt"))
        if isinstance(blob, str) and error_patterns.classify_hosted_error(blob[:_MAX_TEXT]):
            _append(evidence.tool_errors, blob[:_MAX_TEXT])
        elif blob:
            data = base64_images.decode(blob)
            evidence.image_count += data is not None
            evidence.undecodable_count += data is None
            if data is not None:
                self._received |= {call_id for key in ("id", "call_id") if (call_id := as_text(item.get(key)))}
                yield Candidate(data, revised, name)
        elif item.get("saved_path") or item.get("savedPath") or item.get("status") == "completed":
            yield Candidate(None, revised, name)

    def _read_call(self, payload: dict[str, Any]) -> None:
        name, call_id = as_text(payload.get("name")), payload.get("call_id")
        script = payload.get("input") if payload.get("type") == "custom_tool_call" else None
        self.evidence.called_tools = True
        is_image_tool = name in _TOOL_NAMES or (isinstance(script, str) and "image_gen" in script)
        if is_image_tool:
            self.evidence.tool_called, self._called_at = True, read_time(self._head)
        if isinstance(call_id, str) and len(self._calls) < MAX_CALLS:
            self._calls[call_id] = name in _TOOL_NAMES

    def _read_output(self, payload: dict[str, Any], found: list[memoryview]) -> Iterator[Candidate]:
        output = payload.get("output")
        for text in _texts(output):
            if _is_tool_error(text):
                _append(self.evidence.tool_errors, text[:_MAX_TEXT])
                self._measure_drawing()
        call_id = str(payload.get("call_id"))
        if not self._calls.get(call_id) or call_id in self._received:
            # only the image tool makes pictures: view_image returns some too. If an earlier record has the picture,
            # this is the copy that the model sees, of 1600 pixels at most
            return
        for blob in _image_urls(output, found):
            data = base64_images.decode(blob)
            if data is not None:
                self.evidence.image_count += 1
                yield Candidate(data, name=call_id)

    def _measure_drawing(self) -> None:
        """Note how long the image tool worked before it failed."""
        now = read_time(self._head)
        if now is not None and self._called_at is not None:
            self.evidence.drawing_sec = max(0.0, now - self._called_at)

    def _read_event(self, kind: str | None, payload: dict[str, Any]) -> None:
        evidence = self.evidence
        if kind == "message" and payload.get("role") == "assistant":
            self._read_message(payload.get("content"))
        elif kind == "agent_message":
            self._read_message(payload.get("message"))
        elif kind == "token_count":
            evidence.used_tokens |= bool(payload.get("info"))
            self._read_limits(payload.get("rate_limits"))
        elif kind in {"task_complete", "turn_complete"}:
            evidence.completed = True
            evidence.error_info = as_object(payload.get("error")).get("codex_error_info")
        elif kind == "turn_aborted":
            evidence.aborted = as_text(payload.get("reason")) or "interrupted"

    def _read_limits(self, limits: object) -> None:
        """Note when a used-up limit resets, to the second; Codex's message has only minutes."""
        for name in ("primary", "secondary"):
            window = as_object(as_object(limits).get(name))
            if (as_number(window.get("used_percent")) or 0) >= 100:
                resets = error_patterns.as_unix_time(int(as_number(window.get("resets_at")) or 0))
                if resets is not None:
                    self.evidence.limit_resets_at = max(self.evidence.limit_resets_at or 0, resets)

    def _read_message(self, content: object) -> None:
        message = " ".join(_texts(content)).strip()
        if message:
            self.evidence.message = message[:_MAX_TEXT]


def parse_record(line: bytes) -> tuple[dict[str, Any], list[memoryview]]:
    """Parse a record, with its picture strings extracted (see :func:`base64_images.extract`).

    Returns an empty dictionary for anything that is not a JSON object.
    """
    small, found = base64_images.extract(line)
    record = parse_object(small)
    return ({}, []) if record is None else (record, found)


def read_time(head: bytes) -> float | None:
    """When the record with this beginning was written, in Unix seconds."""
    from datetime import datetime

    match = _TIME.search(head)
    try:
        when = datetime.fromisoformat(match[1].decode()).timestamp() if match else 0
    except (ValueError, OverflowError):
        return None
    return when if 0 < when < _MAX_TIME else None


def find_pictures(message: dict[str, Any], found: list[memoryview]) -> Iterator[Base64Text]:
    """The pictures in a message, in base64."""
    return _image_urls(message.get("content"), found)


def _image_urls(output: object, found: list[memoryview]) -> Iterator[Base64Text]:
    for part in as_list(output):
        url = as_object(part).get("image_url")
        blob = base64_images.extracted_text(url.get("url") if isinstance(url, dict) else url, found)
        if blob:
            yield blob


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        yield from _texts(content.get("text") or content.get("content"))
    elif isinstance(content, list):
        for part in content[:100]:
            if isinstance(part, (str, dict)):
                yield from _texts(part)


def _is_tool_error(text: str) -> bool:
    return error_patterns.classify_tool_error(text) is not None


def _append(values: list[Any], value: Any) -> None:
    if len(values) < _MAX_ITEMS:
        values.append(value)


def _clip(value: object) -> object:
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    return value if isinstance(value, (int, float, bool)) or value is None else json.dumps(value)[:_MAX_TEXT]
