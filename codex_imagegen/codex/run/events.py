"""Codex's own streams: the events of ``codex exec --json`` on stdout, and the end of its stderr."""

from __future__ import annotations

from typing import Any

from codex_imagegen.codex.sessions.layout import THREAD_ID
from codex_imagegen.values import as_text, parse_object

_MAX_LINE = 256 * 1024
_MAX_ERRORS = 20
_MAX_STDERR = 64 * 1024
_NO_CODE_MODE = "Code Mode is unavailable"
_READS_STDIN = (b"Reading prompt from stdin", b"Reading additional input from stdin")
_TOOL_ERROR = b"tools::router: error="
_MAX_MARK = 40


class Events:
    """Reads the event stream, chunk by chunk, and keeps little of it: the thread, errors, and how the turn ended.

    ``incomplete`` is what Codex says before its turn where its code-mode host is missing: it can make no picture then.

    A line longer than 256 KiB is dropped, and so is one that is no JSON object: a Codex that prints rubbish must
    not fill our memory.
    """

    def __init__(self) -> None:
        self.thread_id: str | None = None
        self.errors: list[str] = []
        self.failed: str | None = None
        self.turn_started = False
        self.incomplete: str | None = None
        self.completed = False
        self.said: str | None = None
        self.rubbish: str | None = None
        self._line = bytearray()
        self._too_long = False

    def feed(self, chunk: bytes) -> None:
        """Take what Codex printed, in any cut."""
        *whole, rest = chunk.split(b"\n")
        for part in whole:
            self._add(part)
            if not self._too_long:
                self._read(bytes(self._line))
            self._line.clear()
            self._too_long = False
        self._add(rest)

    def _add(self, part: bytes) -> None:
        if self._too_long or len(self._line) + len(part) > _MAX_LINE:
            self._line.clear()
            self._too_long = True
        else:
            self._line += part

    def _read(self, line: bytes) -> None:
        if not line.strip():
            return
        event = parse_object(line)
        if event is not None:
            self._event(event)
        elif self.rubbish is None:
            self.rubbish = line[:500].decode(errors="replace")

    def _event(self, event: dict[str, Any]) -> None:
        kind, item = event.get("type"), event.get("item")
        if kind == "thread.started":
            thread = as_text(event.get("thread_id"))
            if self.thread_id is None and thread is not None and THREAD_ID.match(thread):
                self.thread_id = thread
        elif kind == "turn.started":
            self.turn_started = True
        elif kind == "turn.completed":
            self.completed = True
        elif kind == "turn.failed":
            self.failed = _message(event.get("error")) or "the turn failed"
        elif kind == "error":
            self._error(_message(event))
        elif isinstance(item, dict) and item.get("type") == "error":
            self._error(_message(item))
            if not self.turn_started:
                self._note_incomplete(_message(item))
        elif isinstance(item, dict) and item.get("type") == "agent_message":
            text = item.get("text")
            self.said = text[:4000] if isinstance(text, str) else self.said

    def _note_incomplete(self, message: str | None) -> None:
        """Keep what a Codex without its code-mode host says before its turn (0.157.1 and 0.169.0)."""
        if message and message.startswith(_NO_CODE_MODE):
            self.incomplete = message

    def _error(self, message: str | None) -> None:
        if message:
            self.errors = [*self.errors[-_MAX_ERRORS + 1 :], message]


class Words:
    """The last 64 KiB of Codex's stderr.

    ``reads_stdin``: Codex has said that it reads its prompt now, which 0.111.0 to 0.169.0 do; where they index the
    sessions of their home first, they say it when the index is complete. ``tool_failed``: a tool has logged an error.
    """

    def __init__(self) -> None:
        self.reads_stdin = False
        self.tool_failed = False
        self._kept = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take what Codex printed, in any cut."""
        self._kept += chunk
        new = bytes(self._kept[-len(chunk) - _MAX_MARK :])
        self.reads_stdin |= any(mark in new for mark in _READS_STDIN)
        self.tool_failed |= _TOOL_ERROR in new
        if len(self._kept) > 2 * _MAX_STDERR:
            del self._kept[:-_MAX_STDERR]

    @property
    def text(self) -> str:
        """The words, with what is no UTF-8 replaced."""
        return bytes(self._kept[-_MAX_STDERR:]).decode(errors="replace")


def _message(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("message")
    return value[:4000] if isinstance(value, str) and value.strip() else None
