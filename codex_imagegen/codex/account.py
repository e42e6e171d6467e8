"""What Codex knows of its account: the plan, and what is left of the plan's limits.

It is asked of Codex's own ``codex app-server``, JSON-RPC in lines over stdio: ``initialize``, the notification
``initialized``, then ``account/read`` and ``account/rateLimits/read``. Nothing is spent, and the credentials stay with
Codex. The account's e-mail and ids are in the answers, and are left there.

Every build that was tried has the command and both methods (0.107.0, 0.111.0, 0.118.0, 0.134.0, 0.141.0, 0.144.6,
0.149.1, 0.160.1, 0.169.0). What Codex asks OpenAI for meanwhile, below ``chatgpt_base_url``:

=================  ===================================================================================================
0.107.0 – 0.141.0  ``wham/usage``, for the limits; the plan comes from its own token
0.144.6 – 0.149.1  the same, and ``wham/rate-limit-reset-credits``
0.160.1 – 0.169.0  the same, and ``wham/accounts/check``: without an answer to it, ``account/read`` is an error
=================  ===================================================================================================

With an API key, or none, ``account/read`` says so and the limits are an error. The answers take 0.1 to 0.5 s here, and
in the real world as long as OpenAI takes. A Codex that starts in a home for the first time indexes its rollouts
meanwhile: with 60,000 of them, 4 s.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codex_imagegen._version import __version__
from codex_imagegen.codex import lean, native, reasons
from codex_imagegen.codex.process import BRIEF_LADDER, Process
from codex_imagegen.codex.wake import Wake

MAX_ANSWER_BYTES = 1024 * 1024
"""Bytes that the conversation may have; a whole one has 3 KB (0.169.0)."""

MAX_LIMITS = 8
_END_SEC = 0.3
_PLAN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_NAME = re.compile(r"[\w .:+()-]{1,48}")
_CLIENT = {"clientInfo": {"name": "codex-imagegen", "title": "codex-imagegen", "version": __version__}}
_INITIALIZE, _ACCOUNT, _LIMITS = 0, 1, 2
_MAX_WORDS = 120


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of the plan: how much of it is used, in per cent, how long its window is, and when it begins anew.

    ``window_minutes`` and ``resets_at`` (Unix seconds) are None where Codex does not say.
    """

    name: str
    used_percent: float
    window_minutes: int | None = None
    resets_at: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What was told. ``limits`` is None where nothing is known of them, and ``why`` says why."""

    plan: str | None = None
    limits: tuple[Limit, ...] | None = None
    why: str | None = None


def read(codex: str, environment: Mapping[str, str], timeout_sec: float) -> Account:
    """Ask; raises :class:`CodexMissing` where Codex can't be started. Whatever else goes wrong stands in ``why``."""
    with _Talk(codex, environment, time.monotonic() + timeout_sec) as talk:
        try:
            talk.ask(_INITIALIZE, "initialize", _CLIENT)
            talk.answer(_INITIALIZE)
            talk.tell("initialized")
            talk.ask(_ACCOUNT, "account/read", {"refreshToken": False})
            talk.ask(_LIMITS, "account/rateLimits/read", None)
            return _account(talk)
        except _NoAnswer as error:
            return Account(why=str(error))


def _account(talk: _Talk) -> Account:
    """The two answers; each may be an error without the other."""
    plan, limits, why = None, None, None
    try:
        plan = _plan(_dict(talk.answer(_ACCOUNT).get("account")).get("planType"))
    except _NoAnswer as error:
        why = str(error)
    try:
        told = talk.answer(_LIMITS)
        limits = _limits(told)
        plan = plan or _plan(_dict(told.get("rateLimits")).get("planType"))
    except _NoAnswer as error:
        why = str(error)
    return Account(plan, limits, why if limits is None else None)


class _NoAnswer(Exception):
    """Codex did not say it; the message is why."""


class _Talk:
    """A context: one ``codex app-server``, and what it has answered so far."""

    def __init__(self, codex: str, environment: Mapping[str, str], deadline: float) -> None:
        self._deadline = deadline
        self._wake = Wake()
        self._answers: dict[int, dict[str, Any]] = {}
        self._rest, self._heard = b"", 0
        settings = [word for setting in lean.settings() for word in ("-c", setting)]
        self._process = Process(
            [native.binary(codex), *settings, "app-server"],
            folder=os.sep,
            environment=environment,
            on_stdout=self._hear,
            on_stderr=lambda _chunk: None,
            on_change=self._wake.ring,
        )

    def __enter__(self) -> _Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.close_stdin()  # which ends it, in good order
        self._process.wait(min(_END_SEC, self._deadline - time.monotonic()))
        self._process.stop(BRIEF_LADDER)

    def ask(self, number: int, method: str, params: object) -> None:
        """Put a question."""
        self._send({"id": number, "method": method, "params": params})

    def tell(self, method: str) -> None:
        """Send a notification."""
        self._send({"method": method})

    def answer(self, number: int) -> dict[str, Any]:
        """Wait for an answer's result."""
        while number not in self._answers:
            if self._heard > MAX_ANSWER_BYTES:
                raise _NoAnswer("Codex answered far more than was asked")
            if self._process.exit_code is not None:
                self._process.drain()
                if number not in self._answers:
                    raise _NoAnswer("this Codex has no app-server, or it ended before it answered")
                break
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise _NoAnswer("Codex did not answer in time")
            self._wake.sleep(left)
        return _result(self._answers[number])

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
        return _dict(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _result(message: dict[str, Any]) -> dict[str, Any]:
    if isinstance(message.get("result"), dict):
        return _dict(message["result"])
    words = _dict(message.get("error")).get("message")
    said = words[:_MAX_WORDS] if isinstance(words, str) and words else "something that is no answer"
    raise _NoAnswer(f"Codex said: {said}")


def _limits(told: dict[str, Any]) -> tuple[Limit, ...]:
    """Each window of each limit: of those by id where there are any, else of the only one."""
    by_id = _dict(told.get("rateLimitsByLimitId")) or {"codex": told.get("rateLimits")}
    found = [limit for name, windows in by_id.items() for limit in _windows(str(name), _dict(windows))]
    if not found:
        raise _NoAnswer("Codex told no limits")
    return tuple(sorted(found, key=lambda limit: (limit.name != "codex", limit.name)))[:MAX_LIMITS]


def _windows(limit_id: str, windows: dict[str, Any]) -> list[Limit]:
    name = windows.get("limitName") or limit_id
    name = name if isinstance(name, str) and _NAME.fullmatch(name) else "another"
    found = []
    for which in ("primary", "secondary"):
        window = _dict(windows.get(which))
        used = window.get("usedPercent")
        if isinstance(used, (int, float)) and not isinstance(used, bool) and 0 <= used <= 1000:
            minutes = window.get("windowDurationMins")
            minutes = minutes if type(minutes) is int and 0 < minutes < 10**7 else None
            found.append(Limit(name, float(used), minutes, reasons.unix_time(window.get("resetsAt"))))
    return found


def _plan(value: object) -> str | None:
    return value if isinstance(value, str) and _PLAN.fullmatch(value) and value != "unknown" else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
