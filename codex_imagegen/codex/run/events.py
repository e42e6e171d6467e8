"""The two output streams of Codex: JSON events on stdout, and the end of stderr."""

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
    """Parses the event stream of ``codex exec --json`` in chunks, and keeps the thread, errors and how the turn ended.

    ``missing_host`` is the error that a Codex without its code-mode host prints before its turn: it can make no picture
    then. ``agent_message`` is the model's last message.

    A line longer than 256 KiB is dropped, and so is one that is not a JSON object (``invalid_line`` is the first of
    these): a Codex that prints garbage must not fill the memory.
    """

    def __init__(self) -> None:
        self.thread_id: str | None = None
        self.errors: list[str] = []
        self.turn_error: str | None = None
        self.turn_started = False
        self.turn_completed = False
        self.missing_host: str | None = None
        self.agent_message: str | None = None
        self.invalid_line: str | None = None
        self._line = bytearray()
        self._too_long = False

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk of stdout; it may end anywhere."""
        *complete, rest = chunk.split(b"\n")
        for part in complete:
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
        elif self.invalid_line is None:
            self.invalid_line = line[:500].decode(errors="replace")

    def _event(self, event: dict[str, Any]) -> None:
        kind, item = event.get("type"), event.get("item")
        if kind == "thread.started":
            thread = as_text(event.get("thread_id"))
            if self.thread_id is None and thread is not None and THREAD_ID.match(thread):
                self.thread_id = thread
        elif kind == "turn.started":
            self.turn_started = True
        elif kind == "turn.completed":
            self.turn_completed = True
        elif kind == "turn.failed":
            self.turn_error = _message(event.get("error")) or "the turn failed"
        elif kind == "error":
            self._error(_message(event))
        elif isinstance(item, dict) and item.get("type") == "error":
            self._error(_message(item))
            if not self.turn_started:
                self._note_missing_host(_message(item))
        elif isinstance(item, dict) and item.get("type") == "agent_message":
            text = item.get("text")
            self.agent_message = text[:4000] if isinstance(text, str) else self.agent_message

    def _note_missing_host(self, message: str | None) -> None:
        """Keep the error of a Codex without its code-mode host (seen with 0.157.1 and 0.169.0)."""
        if message and message.startswith(_NO_CODE_MODE):
            self.missing_host = message

    def _error(self, message: str | None) -> None:
        if message:
            self.errors = [*self.errors[-_MAX_ERRORS + 1 :], message]


class StderrTail:
    """The last 64 KiB of Codex's stderr.

    ``reads_stdin``: Codex has printed that it reads its prompt, as 0.111.0 to 0.169.0 do; where they index the sessions
    of their home first, they print it after that. ``tool_failed``: a tool has logged an error.
    """

    def __init__(self) -> None:
        self.reads_stdin = False
        self.tool_failed = False
        self._tail = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Take the next chunk of stderr; it may end anywhere."""
        self._tail += chunk
        new = bytes(self._tail[-len(chunk) - _MAX_MARK :])
        self.reads_stdin |= any(mark in new for mark in _READS_STDIN)
        self.tool_failed |= _TOOL_ERROR in new
        if len(self._tail) > 2 * _MAX_STDERR:
            del self._tail[:-_MAX_STDERR]

    @property
    def text(self) -> str:
        """The tail as text; bytes that are not UTF-8 are replaced."""
        return bytes(self._tail[-_MAX_STDERR:]).decode(errors="replace")


def _message(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("message")
    return value[:4000] if isinstance(value, str) and value.strip() else None
