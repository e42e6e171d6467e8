"""Codex's own server on stdio, ``codex app-server``: what it offers beside turns, in some milliseconds a question.

Messages are lines of JSON. What it says is not trusted: a line that is no answer is left out, and of too much nothing
is kept. Measured on 0.111.0 to 0.169.0: ``thread/delete`` is there from 0.141.0 on (0.134.0 has none) and takes some
10 ms, where ``codex delete --force`` takes 100 ms and does the same. It asks nothing, needs no login and no network,
and leaves ``generated_images`` alone. From 0.149.1 on it refuses a thread that a fork still refers to, and
0.169.0 one that is being written. For the account see ``codex.account``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from queue import Empty, Queue
from typing import Any

from codex_imagegen._version import __version__
from codex_imagegen.codex.process import BRIEF_STOP_SIGNALS, STOP_SIGNALS, Process
from codex_imagegen.codex.run import command, features
from codex_imagegen.codex.run.events import Words
from codex_imagegen.errors import CodexFailed
from codex_imagegen.interrupt import Interrupt

ANSWER_SEC = 600.0
"""How long an answer may take: at its first start in a home Codex indexes every rollout there, 25 s for 5,600."""

MAX_ANSWER_BYTES = 4 * 1024 * 1024
"""Bytes that may be said between a question and its answer; one about an account has 3 KB (0.169.0)."""

_TICK_SEC, _CLOSING_SEC, _BRIEF_CLOSING_SEC = 0.2, 5.0, 0.3
_CLIENT = {"name": "codex-imagegen", "title": "codex-imagegen", "version": __version__}


class Refused(Exception):
    """Codex said no, in its own words. ``is_unknown_method``: this build does not know the method."""

    @property
    def is_unknown_method(self) -> bool:
        """Whether it is the method that was not understood."""
        return "unknown variant" in str(self)


class AppServer:
    """A context: entered, Codex answers; left, it has gone. Nothing that could run or be reached is switched on.

    ``codex`` is its executable, ``servers`` are the MCP servers to be left off, and ``databases`` is a folder for its
    databases where they are not to be those of the home: it is then asked something and no more, and ended without much
    ado. ``deadline`` is a reading of ``time.monotonic()``. Raises :class:`CodexFailed` where it ends, falls silent or
    never stops talking, and what ``interrupt`` raises.
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
        own = () if databases is None else (f"sqlite_home={json.dumps(databases)}",)
        settings = [word for setting in (*own, *features.settings(servers, cautious=True)) for word in ("-c", setting)]
        self._argv, self._brief, self._deadline = [codex, *settings, "app-server"], databases is not None, deadline
        self._environment, self._interrupt = command.environment_of(environment), interrupt
        self._lines: Queue[bytes] = Queue()
        self._rest, self._heard, self._words, self._asked = b"", 0, Words(), 0
        self._interrupted_at: float | None = None

    def __enter__(self) -> AppServer:
        self._process = Process(
            self._argv, folder="/", environment=self._environment, on_stdout=self._feed, on_stderr=self._words.feed,
            on_change=lambda: None,
        )  # fmt: skip
        try:
            self.request("initialize", {"clientInfo": _CLIENT})
            self._send({"method": "initialized"})
        except BaseException as error:
            if self._brief or isinstance(error, CodexFailed):
                self._process.stop(BRIEF_STOP_SIGNALS if self._brief else STOP_SIGNALS)
            else:  # it may be indexing the sessions of the home, and hold a lease that a kill would leave behind
                self._process.leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send(b"")  # the end of its input ends it, its databases in good order
        self._process.wait(min(_BRIEF_CLOSING_SEC, self._left()) if self._brief else _CLOSING_SEC)
        self._process.stop(BRIEF_STOP_SIGNALS if self._brief else STOP_SIGNALS)

    def request(self, method: str, params: dict[str, Any] | None, *, finish_sec: float = 0.0) -> dict[str, Any]:
        """What Codex answers to one question; raises :class:`Refused` in its words where that is an error.

        An interrupt ends the wait ``finish_sec`` seconds later: for a question whose answer must not be missed.
        """
        self._asked += 1
        self._heard = 0
        self._send({"id": self._asked, "method": method, "params": params})
        limit = time.monotonic() + min(ANSWER_SEC, self._left())
        while True:
            answer = self._next(limit, finish_sec)
            if answer.get("id") == self._asked and "method" not in answer:
                break
        if isinstance(answer.get("result"), dict):
            return as_dict(answer["result"])
        error = answer.get("error")
        words = as_dict(error).get("message") if isinstance(error, dict) else error
        raise Refused(words if isinstance(words, str) and words else "something that is no answer")

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._process.write(json.dumps(message).encode() + b"\n")
        except (OSError, ValueError) as error:
            raise self._failed("has ended") from error

    def _next(self, limit: float, finish_sec: float) -> dict[str, Any]:
        while True:
            gone = self._process.exit_code is not None
            try:
                answer = json.loads(self._lines.get(timeout=max(0.0, min(_TICK_SEC, limit - time.monotonic()))))
            except Empty:
                self._check_interrupt(finish_sec)
                if gone or time.monotonic() >= limit:
                    raise self._failed("has ended" if gone else "does not answer") from None
            except (ValueError, RecursionError):
                pass
            else:
                if isinstance(answer, dict):
                    return answer
            if self._heard > MAX_ANSWER_BYTES:
                raise self._failed("says far more than was asked")

    def _check_interrupt(self, finish_sec: float) -> None:
        if self._interrupt.signum is None:
            return
        now = time.monotonic()
        self._interrupted_at = now if self._interrupted_at is None else self._interrupted_at
        if now - self._interrupted_at >= finish_sec:
            self._interrupt.check()

    def _feed(self, chunk: bytes) -> None:
        """Take what was said, in the pump's thread: of too much, nothing is kept."""
        self._heard += len(chunk)
        if self._heard > MAX_ANSWER_BYTES:
            self._rest = b""
            return
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            self._lines.put(line)

    def _failed(self, what: str) -> CodexFailed:
        said = self._words.text.strip().splitlines()[-1:]
        told = f"Codex's own server {what}" + (f": {said[0]}" if said else "")
        return CodexFailed(told, hint="see whether codex works by itself: codex --version")


def as_dict(value: object) -> dict[str, Any]:
    """An object of JSON's, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}
