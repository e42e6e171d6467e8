"""A conversation with ``codex app-server``: JSON-RPC in lines over stdio, bounded in time and size.

What it says is not trusted: a line that is no answer is left out, of too much nothing is kept, and its process is ended
with its whole group.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from typing import Any

from codex_imagegen._version import __version__
from codex_imagegen.codex import lean, native
from codex_imagegen.codex.process import BRIEF_LADDER, Process
from codex_imagegen.codex.wake import Wake

MAX_ANSWER_BYTES = 1024 * 1024
"""Bytes that a conversation may have; one about an account has 3 KB (0.169.0)."""

_END_SEC = 0.3
_CLIENT = {"clientInfo": {"name": "codex-imagegen", "title": "codex-imagegen", "version": __version__}}
_INITIALIZE = 0
_MAX_WORDS = 120


class NoAnswer(Exception):
    """Codex did not say it; the message is why."""


class AppServer:
    """A context: one ``codex app-server`` with its databases in a folder of ours, and what it has answered so far."""

    def __init__(self, codex: str, environment: Mapping[str, str], databases: str, deadline: float) -> None:
        self._deadline = deadline
        self._wake = Wake()
        self._answers: dict[int, dict[str, Any]] = {}
        self._rest, self._heard = b"", 0
        own = (f"sqlite_home={json.dumps(databases)}", *lean.settings())
        settings = [word for setting in own for word in ("-c", setting)]
        self._process = Process(
            [native.binary(codex), *settings, "app-server"],
            folder=os.sep,
            environment=environment,
            on_stdout=self._hear,
            on_stderr=lambda _chunk: None,
            on_change=self._wake.ring,
        )

    def __enter__(self) -> AppServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close_stdin()  # which ends it, in good order
        self._process.wait(min(_END_SEC, self._deadline - time.monotonic()))
        self._process.stop(BRIEF_LADDER)

    def initialize(self) -> None:
        """Say who is asking; the server answers nothing before that."""
        self.ask(_INITIALIZE, "initialize", _CLIENT)
        self.answer(_INITIALIZE)
        self._send({"method": "initialized"})

    def ask(self, number: int, method: str, params: object) -> None:
        """Put a question, by a number of its own above 0."""
        self._send({"id": number, "method": method, "params": params})

    def answer(self, number: int) -> dict[str, Any]:
        """Wait for an answer; gives back its result, or raises :class:`NoAnswer`."""
        while number not in self._answers and (why := self._why_not()) is None:
            self._wake.sleep(self._deadline - time.monotonic())
        if number not in self._answers:
            raise NoAnswer(why)
        return _result(self._answers[number])

    def _why_not(self) -> str | None:
        """Why no further answer will come, or None while one may."""
        if self._process.exit_code is not None:
            self._process.drain()
            return "this Codex has no app-server, or it ended before it answered"
        if self._heard > MAX_ANSWER_BYTES:
            return "Codex answered far more than was asked"
        return None if time.monotonic() < self._deadline else "Codex did not answer in time"

    def _send(self, message: dict[str, object]) -> None:
        self._process.write(json.dumps(message).encode() + b"\n")

    def _hear(self, chunk: bytes) -> None:
        """Take what was said, in the pump's thread: of too much, nothing is kept."""
        self._heard += len(chunk)
        if self._heard > MAX_ANSWER_BYTES:
            self._rest = b""
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            message = _message(line)
            number = message.get("id")
            if isinstance(number, int) and "method" not in message:
                self._answers.setdefault(number, message)


def _message(line: bytes) -> dict[str, Any]:
    try:
        return as_dict(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _result(message: dict[str, Any]) -> dict[str, Any]:
    if isinstance(message.get("result"), dict):
        return as_dict(message["result"])
    words = as_dict(message.get("error")).get("message")
    said = words[:_MAX_WORDS] if isinstance(words, str) and words else "something that is no answer"
    raise NoAnswer(f"Codex said: {said}")


def as_dict(value: object) -> dict[str, Any]:
    """An object of JSON's, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}
