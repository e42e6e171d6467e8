"""What the records of a rollout mean: the only place that knows their shapes.

The format is private to Codex and has moved four times (measured on the real builds):

=================  ==================================================================================================
0.111.0 – 0.116.0  ``response_item`` / ``image_generation_call`` with ``result``
0.117.0 – 0.143.0  before it, ``event_msg`` / ``image_generation_end`` with ``call_id``, ``result``, ``saved_path``
0.144.0 – 0.147.0  ``image_generation_end``, and the output of the function ``image_gen.imagegen``
0.148.0 – 0.169.0  ``event_msg`` / ``item_completed`` with an ``Extension`` item of kind ``image_gen.generation``
=================  ==================================================================================================

A record is read by what it says it is, never by its place, and a key that is missing or of another type makes it a
record that says nothing: no line, however broken, raises.
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
from codex_imagegen.images.base64_images import Blob

KINDS = frozenset({
    "session_meta", "response_item", "event_msg", "turn_context", "world_state", "compacted", "token_usage_record",
    "inter_agent_communication", "inter_agent_communication_metadata", "security_risk_score", "realtime_item",
})  # fmt: skip
"""The kinds of records that Codex writes: those of the recordings, and those that 0.169.0 names besides."""

_KIND = re.compile(rb'"type":"(\w+)"(?:,"payload":\{"type":"(\w+)")?')
_TIME = re.compile(rb'\A\{"timestamp":"([0-9T:.Z+-]{19,40})"')
_NEVER = 4e9
"""The year 2096, in Unix seconds: no record is as late."""
_OFFERS = b"additional_tools"
_SILENT = {b"world_state", b"compacted", b"token_usage_record"}
_SILENT_PAYLOADS = {
    b"agent_message_delta", b"agent_reasoning", b"agent_reasoning_raw_content", b"reasoning",
    b"task_started", b"thread_settings_applied", b"user_message",
}  # fmt: skip
_MADE_TYPES = {"image_generation_call", "image_generation_end"}
_TOOL_NAMES = {"imagegen", "image_gen.imagegen", "image_gen__imagegen", "image_genimagegen"}
_TEARABLE = {b"image_generation_call", b"image_generation_end", b"item_completed"}
_CALLS = ("function_call", "custom_tool_call")
_OUTPUTS = {"function_call_output", "custom_tool_call_output"}
_SHOWN_BY = {"user", "developer", "system"}
_SHOWN_AS = {"user_message", "UserMessage", "view_image_tool_call", "ImageView"}
_STRAY_MARKS = (b'_call"', *base64_images.MAGICS)
_MAX_CALLS = 1000
_MAX_TEXT = 4000
_MAX_KEPT = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that a record says was made. ``data`` None: the record names none, so look for its file.

    ``name`` is the id that the record gives it, and the name of the file that Codex saves, less its suffix.
    """

    data: bytes | None
    revised_prompt: str | None = None
    name: str | None = None


@dataclass(slots=True)
class Evidence:
    """What the records have said so far, beside pictures; texts are clipped, lists bounded.

    ``drawing_sec``: the seconds from the last call of the image tool to its failure, by the records' own times.
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


def wants(head: bytes) -> bool:
    """Whether a line that begins like this can hold a picture, a failure, or anything else that is read here."""
    kind = _KIND.search(head)
    if kind is None:
        return True
    if kind[1] == b"response_item" and kind[2] == b"message":
        return b'"role":"assistant"' in head
    return kind[1] not in _SILENT and kind[2] not in _SILENT_PAYLOADS


def kind(head: bytes) -> str | None:
    """The first name in a record that begins like this: one of :data:`KINDS`, unless Codex has moved on."""
    found = _KIND.search(head[:HEAD])
    return found[1].decode() if found else None


def tears_picture(rest: bytes) -> bool:
    """Whether what stands behind a rollout's last line feed is the beginning of a record with a picture in it."""
    kind = _KIND.search(rest[:HEAD])
    made = kind is not None and kind[2] in _TEARABLE and any(magic in rest for magic in base64_images.MAGICS)
    return made and not parse(rest)[0]


class Records:
    """Reads the lines of one thread in their order; remembers which calls were calls of the image tool."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self._calls: dict[str, bool] = {}
        self._done: set[str] = set()
        self._head = b""
        self._called_at: float | None = None

    def read(self, line: bytes) -> list[Candidate]:
        """The pictures that this record says were made; what else it says goes into :attr:`evidence`."""
        try:
            return self._record(line)
        except RecursionError:  # nested more deeply than anything that Codex writes
            return []

    def _record(self, line: bytes) -> list[Candidate]:
        self._head = line[:HEAD]
        kind = _KIND.search(self._head)
        if kind is not None and kind[2] == _OFFERS:
            self._offer(line)
            return []
        record, found = parse(line)
        payload = record.get("payload")
        if not isinstance(payload, dict):
            return []
        if record.get("type") == "session_meta":
            self._meta(payload)
            return []
        if record.get("type") == "turn_context":
            self.evidence.model = _text(payload.get("model"))
            return []
        return list(self._payload(payload, found))

    def _payload(self, payload: dict[str, Any], found: list[memoryview]) -> Iterator[Candidate]:
        kind = _text(payload.get("type"))
        if kind in _MADE_TYPES:
            yield from self._made(payload, found)
        elif kind in {"item_completed", "item_started"}:
            yield from self._item(payload.get("item"), found)
        elif kind in _CALLS:
            self._call(payload)
        elif kind in _OUTPUTS:
            yield from self._output(payload, found)
        else:
            self._note(kind, payload)

    def _meta(self, payload: dict[str, Any]) -> None:
        evidence = self.evidence
        evidence.codex_version = evidence.codex_version or _text(payload.get("cli_version"))
        evidence.provider = _text(payload.get("model_provider"))
        if "account_scoped" in payload or "creator_user_id" in payload:  # from 0.160.1
            evidence.has_account = bool(payload.get("creator_account_id"))

    def _offer(self, line: bytes) -> None:
        """The tools that a code-mode model is offered, tens of kilobytes of them: not worth parsing."""
        if b'"exec"' in line:
            self.evidence.is_tool_offered = b"image_gen" in line

    def _item(self, item: object, found: list[memoryview]) -> Iterator[Candidate]:
        if not isinstance(item, dict):
            return
        named = f"{item.get('type')} {item.get('kind')}".lower()
        if "image_gen" in named or "imagegen" in named:
            yield from self._made(item, found)
        elif item.get("type") == "AgentMessage":
            self._said(item.get("content"))

    def _made(self, item: dict[str, Any], found: list[memoryview]) -> Iterator[Candidate]:
        evidence = self.evidence
        evidence.tool_called = True
        if item.get("status") == "failed":
            evidence.failed_items += 1
            self._failed()
        failure = item.get("failure")
        if isinstance(failure, dict):
            _keep(evidence.failures, {key: _clip(value) for key, value in failure.items()})
        blob = base64_images.lifted(item.get("result"), found)
        name = _text(item.get("call_id") or item.get("id"))
        revised = _text(item.get("revised_prompt") or item.get("revisedPrompt"))
        if isinstance(blob, str) and error_patterns.of_hosted(blob[:_MAX_TEXT]):
            _keep(evidence.tool_errors, blob[:_MAX_TEXT])
        elif blob:
            data = base64_images.decode(blob)
            evidence.image_count += data is not None
            evidence.undecodable_count += data is None
            if data is not None:
                self._done |= {called for key in ("id", "call_id") if (called := _text(item.get(key)))}
                yield Candidate(data, revised, name)
        elif item.get("saved_path") or item.get("savedPath") or item.get("status") == "completed":
            yield Candidate(None, revised, name)

    def _call(self, payload: dict[str, Any]) -> None:
        name, called = _text(payload.get("name")), payload.get("call_id")
        script = payload.get("input") if payload.get("type") == "custom_tool_call" else None
        self.evidence.called_tools = True
        ours = name in _TOOL_NAMES or (isinstance(script, str) and "image_gen" in script)
        if ours:
            self.evidence.tool_called, self._called_at = True, time_of(self._head)
        if isinstance(called, str) and len(self._calls) < _MAX_CALLS:
            self._calls[called] = name in _TOOL_NAMES

    def _output(self, payload: dict[str, Any], found: list[memoryview]) -> Iterator[Candidate]:
        output = payload.get("output")
        for text in _texts(output):
            if _is_trouble(text):
                _keep(self.evidence.tool_errors, text[:_MAX_TEXT])
                self._failed()
        called = str(payload.get("call_id"))
        if not self._calls.get(called) or called in self._done:
            # only what the image tool gave back was made: view_image returns pictures too. And where the picture was
            # in a record of its own before, this is the copy for the model's eyes, of 1600 pixels at most
            return
        for blob in _image_urls(output, found):
            data = base64_images.decode(blob)
            if data is not None:
                self.evidence.image_count += 1
                yield Candidate(data, name=called)

    def _failed(self) -> None:
        """Note how long the image tool was at work before it failed."""
        now = time_of(self._head)
        if now is not None and self._called_at is not None:
            self.evidence.drawing_sec = max(0.0, now - self._called_at)

    def _note(self, kind: str | None, payload: dict[str, Any]) -> None:
        evidence = self.evidence
        if kind == "message" and payload.get("role") == "assistant":
            self._said(payload.get("content"))
        elif kind == "agent_message":
            self._said(payload.get("message"))
        elif kind == "token_count":
            evidence.used_tokens |= bool(payload.get("info"))
            self._limits(payload.get("rate_limits"))
        elif kind in {"task_complete", "turn_complete"}:
            evidence.completed = True
            error = payload.get("error")
            evidence.error_info = error.get("codex_error_info") if isinstance(error, dict) else None
        elif kind == "turn_aborted":
            evidence.aborted = _text(payload.get("reason")) or "interrupted"

    def _limits(self, limits: object) -> None:
        """When the limit that is used up ends: to the second, where Codex's sentence has minutes only."""
        for name in ("primary", "secondary") if isinstance(limits, dict) else ():
            window = limits.get(name)  # type: ignore[attr-defined]
            if isinstance(window, dict) and (_number(window.get("used_percent")) or 0) >= 100:
                resets = error_patterns.unix_time(int(_number(window.get("resets_at")) or 0))
                if resets is not None:
                    self.evidence.limit_resets_at = max(self.evidence.limit_resets_at or 0, resets)

    def _said(self, content: object) -> None:
        said = " ".join(_texts(content)).strip()
        if said:
            self.evidence.message = said[:_MAX_TEXT]


def parse(line: bytes) -> tuple[dict[str, Any], list[memoryview]]:
    """A record as JSON with its picture strings lifted out (see :func:`blobs.lift`); empty where it is no object."""
    small, found = base64_images.lift(line)
    try:
        record = json.loads(small)
    except (ValueError, RecursionError):
        return {}, []
    return (record, found) if isinstance(record, dict) else ({}, [])


class UnrecognizedImages:
    """The safety net: every picture in a record of no known shape, but for what was shown to the model.

    Left out: messages to the model, also where a compacted history repeats them; what ``view_image`` brought in; and
    the output of a call that is not on record.
    """

    def __init__(self) -> None:
        self._found: list[tuple[str | None, bytes]] = []
        self._calls: dict[str, bool] = {}

    @property
    def pictures(self) -> list[bytes]:
        """The stray pictures of all that was read: a call is on record when the whole rollout has been."""
        return [data for call, data in self._found if call is None or self._calls.get(call)]

    def read(self, line: bytes) -> None:
        """Take one record."""
        if not any(mark in line for mark in _STRAY_MARKS):
            return
        record, found = parse(line)
        payload = record.get("payload")
        if isinstance(payload, dict):
            self._note(payload)
        for call, value in _told(record):
            blob = base64_images.lifted(value, found)
            data = base64_images.decode(blob) if blob else None
            if data is not None:
                self._found.append((call, data))

    def _note(self, payload: dict[str, Any]) -> None:
        """Remember a call, and whether its output may be something that was made."""
        script, called = payload.get("input"), payload.get("call_id")
        if payload.get("type") in _CALLS and isinstance(called, str) and len(self._calls) < _MAX_CALLS:
            views = payload.get("name") == "view_image" or (isinstance(script, str) and "view_image" in script)
            self._calls[called] = self._calls.get(called, True) and not views


def _told(record: dict[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Every string of a record with the call that it is the output of, but for what was shown to the model."""
    rest: list[tuple[str | None, object]] = [(None, record)]
    while rest:
        call, value = rest.pop()
        if isinstance(value, str):
            yield call, value
        elif isinstance(value, list):
            rest += [(call, inner) for inner in value]
        elif isinstance(value, dict) and not _shown(value):
            if _text(value.get("type")) in _OUTPUTS:
                call = str(value.get("call_id"))
            rest += [(call, inner) for inner in value.values()]


def _shown(part: dict[str, Any]) -> bool:
    """Whether a part of a record holds what was shown to the model, and not what was made."""
    return _text(part.get("role")) in _SHOWN_BY or _text(part.get("type")) in _SHOWN_AS


def time_of(head: bytes) -> float | None:
    """When the record that begins like this was written, in Unix seconds."""
    from datetime import datetime

    match = _TIME.search(head)
    try:
        when = datetime.fromisoformat(match[1].decode()).timestamp() if match else 0
    except (ValueError, OverflowError):
        return None
    return when if 0 < when < _NEVER else None


def pictures_of(message: dict[str, Any], found: list[memoryview]) -> Iterator[Blob]:
    """The pictures in a message, as base64."""
    return _image_urls(message.get("content"), found)


def _image_urls(output: object, found: list[memoryview]) -> Iterator[Blob]:
    for part in output if isinstance(output, list) else []:
        url = part.get("image_url") if isinstance(part, dict) else None
        blob = base64_images.lifted(url.get("url") if isinstance(url, dict) else url, found)
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


def _is_trouble(text: str) -> bool:
    return error_patterns.of_tool(text) is not None


def _keep(kept: list[Any], value: Any) -> None:
    if len(kept) < _MAX_KEPT:
        kept.append(value)


def _clip(value: object) -> object:
    if isinstance(value, str):
        return value[:_MAX_TEXT]
    return value if isinstance(value, (int, float, bool)) or value is None else json.dumps(value)[:_MAX_TEXT]


def _number(value: object) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12 else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
