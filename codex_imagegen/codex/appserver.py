"""Codex's own server on stdio, ``codex app-server``: what it offers beside turns, in some milliseconds a question.

Messages are lines of JSON. Measured on 0.111.0 to 0.169.0: ``thread/delete`` is there from 0.141.0 on (0.134.0 has
none) and takes some 10 ms, where ``codex delete --force`` takes 100 ms and does the same. It asks nothing, needs no
login and no network, and leaves ``generated_images`` alone. From 0.149.0 on it refuses a thread that is being written,
and one that a fork still refers to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from queue import Empty, Queue
from typing import Any

from codex_imagegen._version import __version__
from codex_imagegen.codex import command, lean
from codex_imagegen.codex.process import Process
from codex_imagegen.codex.stream import Words
from codex_imagegen.errors import CodexFailed
from codex_imagegen.interrupt import Interrupt

ANSWER_SEC = 600.0
"""How long an answer may take: at its first start in a home Codex indexes every rollout there, 25 s for 5,600."""

_TICK_SEC, _CLOSING_SEC = 0.2, 5.0
_CLIENT = {"name": "codex-imagegen", "title": None, "version": __version__}
_MAX_LINE = 4 * 1024 * 1024


class Refused(Exception):
    """Codex said no, in its own words. ``unknown``: this build does not know the method."""

    @property
    def unknown(self) -> bool:
        """Whether it is the method that was not understood."""
        return "unknown variant" in str(self)


class AppServer:
    """A context: entered, Codex answers; left, it has gone. Nothing that could run or be reached is switched on.

    ``codex`` is its executable, ``servers`` are the MCP servers to be left off. Raises :class:`CodexFailed` where it
    ends or falls silent, and what ``interrupt`` raises.
    """

    def __init__(
        self, codex: str, *, environment: Mapping[str, str], interrupt: Interrupt, servers: tuple[str, ...] = ()
    ) -> None:
        settings = [word for setting in lean.settings(servers) for word in ("-c", setting)]
        self._argv = [codex, *settings, "app-server"]
        self._environment, self._interrupt = command.environment_of(environment), interrupt
        self._lines: Queue[bytes] = Queue()
        self._rest, self._words, self._asked = b"", Words(), 0

    def __enter__(self) -> AppServer:
        self._process = Process(
            self._argv, folder="/", environment=self._environment, on_stdout=self._feed, on_stderr=self._words.feed,
            on_change=lambda: None,
        )  # fmt: skip
        try:
            self.ask("initialize", {"clientInfo": _CLIENT})
            self._send({"method": "initialized"})
        except BaseException:
            self._process.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send(b"")  # the end of its input ends it, its databases in good order
        self._process.wait(_CLOSING_SEC)
        self._process.stop()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """What Codex answers to one question; raises :class:`Refused` in its words where that is an error."""
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        limit = time.monotonic() + ANSWER_SEC
        while True:
            answer = self._next(limit)
            if answer.get("id") == self._asked and "method" not in answer:
                break
        if "error" in answer:
            error = answer["error"]
            raise Refused(str(error.get("message") if isinstance(error, dict) else error))
        result = answer.get("result")
        return result if isinstance(result, dict) else {}

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._process.write(json.dumps(message).encode() + b"\n")
        except (OSError, ValueError) as error:
            raise self._failed("has ended") from error

    def _next(self, limit: float) -> dict[str, Any]:
        while True:
            gone = self._process.exit_code is not None
            try:
                answer = json.loads(self._lines.get(timeout=_TICK_SEC))
            except Empty:
                self._interrupt.check()
                if gone or time.monotonic() >= limit:
                    raise self._failed("has ended" if gone else "does not answer") from None
            except (ValueError, RecursionError):
                continue
            else:
                if isinstance(answer, dict):
                    return answer

    def _feed(self, chunk: bytes) -> None:
        *whole, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[:_MAX_LINE]
        for line in whole:
            self._lines.put(line)

    def _failed(self, what: str) -> CodexFailed:
        said = self._words.text.strip().splitlines()[-1:]
        told = f"Codex's own server {what}" + (f": {said[0]}" if said else "")
        return CodexFailed(told, hint="see whether codex works by itself: codex --version")
