"""A client of ``codex app-server``, Codex's JSON-RPC server on stdio; a request takes some milliseconds.

Messages are lines of JSON. The output is not trusted: a line that is not an answer is ignored, and too much output is
dropped. Measured on 0.111.0 to 0.169.0: ``thread/delete`` exists from 0.141.0 on (0.134.0 lacks it) and takes some
10 ms, while ``codex delete --force`` takes 100 ms and does the same. It does not prompt, needs no login and no network,
and does not touch ``generated_images``. From 0.149.1 on it refuses a thread that a fork still refers to, and 0.169.0
also a thread that is being written. For the account see :mod:`codex_imagegen.codex.appserver.account`.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from queue import Empty, Queue
from typing import Any

from codex_imagegen._version import __version__
from codex_imagegen.codex import features
from codex_imagegen.codex.process import BRIEF_STOP_SIGNALS, STOP_SIGNALS, Process
from codex_imagegen.codex.run import command
from codex_imagegen.codex.run.events import StderrTail
from codex_imagegen.errors import CodexFailed
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.values import as_object, as_text, parse_object

ANSWER_SEC = 600.0
"""Time limit of an answer in seconds: at its first start in a home, Codex indexes every rollout, 25 s for 5,600."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Bytes of output at most between a request and its answer; an answer about an account has 3 KB (0.169.0)."""

_TICK_SEC, _CLOSING_SEC, _BRIEF_CLOSING_SEC = 0.2, 5.0, 0.3
_CLIENT = {"name": "codex-imagegen", "title": "codex-imagegen", "version": __version__}


class RequestRefused(Exception):
    """Codex refused a request; the text is Codex's own."""

    @property
    def is_unknown_method(self) -> bool:
        """Whether this build does not know the method."""
        return "unknown variant" in str(self)


class AppServer:
    """A context in which the server runs. Features that could run programs or use the network are switched off.

    ``codex`` is the executable, and ``servers`` are the MCP servers to switch off. ``databases`` is a folder for
    databases in place of the home's; such a server is only read from, and is stopped sooner. ``deadline`` is a value of
    ``time.monotonic()``. Raises :class:`CodexFailed` where the server ends, does not answer or never stops writing, and
    what ``interrupt`` raises.
    """

    def __init__(
        self,
        codex: str,
        *,
        environment: Mapping[str, str],
        interrupt: Interrupt,
        servers: Sequence[str] = (),
        databases: str | None = None,
        deadline: float = math.inf,
    ) -> None:
        home = () if databases is None else (f"sqlite_home={json.dumps(databases)}",)
        settings = [
            word for setting in (*home, *features.build_settings(servers, cautious=True)) for word in ("-c", setting)
        ]
        self._argv, self._is_brief, self._deadline = [codex, *settings, "app-server"], databases is not None, deadline
        self._environment, self._interrupt = command.build_environment(environment), interrupt
        self._lines: Queue[bytes] = Queue()
        self._partial_line, self._received_bytes, self._stderr, self._request_id = b"", 0, StderrTail(), 0
        self._interrupted_at: float | None = None

    def __enter__(self) -> AppServer:
        self._process = Process(
            self._argv, folder="/", environment=self._environment,
            on_stdout=self._on_stdout, on_stderr=self._stderr.feed, on_change=lambda: None,
        )  # fmt: skip
        try:
            self.request("initialize", {"clientInfo": _CLIENT})
            self._send({"method": "initialized"})
        except BaseException as error:
            if self._is_brief or isinstance(error, CodexFailed):
                self._process.stop(BRIEF_STOP_SIGNALS if self._is_brief else STOP_SIGNALS)
            else:  # it may be indexing the sessions of the home, with a lease that a kill would leave behind
                self._process.detach()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send(b"")  # the end of its input ends it, with its databases closed
        self._process.wait(min(_BRIEF_CLOSING_SEC, self._left()) if self._is_brief else _CLOSING_SEC)
        self._process.stop(BRIEF_STOP_SIGNALS if self._is_brief else STOP_SIGNALS)

    def request(self, method: str, params: dict[str, Any] | None, *, finish_sec: float = 0.0) -> dict[str, Any]:
        """Send one request and return its result; raises :class:`RequestRefused` where Codex answers with an error.

        An interrupt ends the wait after ``finish_sec`` seconds, for a request whose answer must not be missed.
        """
        self._request_id += 1
        self._received_bytes = 0
        self._send({"id": self._request_id, "method": method, "params": params})
        limit = time.monotonic() + min(ANSWER_SEC, self._left())
        while True:
            answer = self._next_message(limit, finish_sec)
            if answer.get("id") == self._request_id and "method" not in answer:
                break
        if isinstance(answer.get("result"), dict):
            return as_object(answer["result"])
        error = answer.get("error")
        message = error.get("message") if isinstance(error, dict) else error
        raise RequestRefused(as_text(message) or "an answer without a result")

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._process.write(json.dumps(message).encode() + b"\n")
        except (OSError, ValueError) as error:
            raise self._failed("has ended") from error

    def _next_message(self, limit: float, finish_sec: float) -> dict[str, Any]:
        while True:
            has_ended = self._process.exit_code is not None
            try:
                line = self._lines.get(timeout=max(0.0, min(_TICK_SEC, limit - time.monotonic())))
            except Empty:
                self._check_interrupt(finish_sec)
                if has_ended or time.monotonic() >= limit:
                    raise self._failed("has ended" if has_ended else "does not answer") from None
            else:
                answer = parse_object(line)
                if answer is not None:
                    return answer
            if self._received_bytes > MAX_ANSWER_BYTES:
                raise self._failed("writes far more than an answer")

    def _check_interrupt(self, finish_sec: float) -> None:
        if self._interrupt.signum is None:
            return
        now = time.monotonic()
        self._interrupted_at = now if self._interrupted_at is None else self._interrupted_at
        if now - self._interrupted_at >= finish_sec:
            self._interrupt.check()

    def _on_stdout(self, chunk: bytes) -> None:
        """Receive output, in the thread that reads the pipe; too much output is dropped."""
        self._received_bytes += len(chunk)
        if self._received_bytes > MAX_ANSWER_BYTES:
            self._partial_line = b""
            return
        *lines, self._partial_line = (self._partial_line + chunk).split(b"\n")
        for line in lines:
            self._lines.put(line)

    def _failed(self, problem: str) -> CodexFailed:
        last_line = self._stderr.text.strip().splitlines()[-1:]
        message = f"Codex's app server {problem}" + (f": {last_line[0]}" if last_line else "")
        return CodexFailed(message, hint="check that Codex works by itself:\ncodex --version")
