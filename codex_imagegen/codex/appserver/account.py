"""Reads the account that Codex is logged in with: the plan, and how much of its limits is used.

The source is ``codex app-server``, JSON-RPC in lines over stdio: ``initialize``, the notification ``initialized``, then
``account/read`` and ``account/rateLimits/read``. Nothing is spent, and the credentials stay with Codex. The account's
e-mail and ids are in the answers, and are not read.

Every tested build has the command and both methods (0.107.0, 0.111.0, 0.118.0, 0.134.0, 0.141.0, 0.144.6, 0.149.1,
0.160.1, 0.169.0). Codex's own requests to OpenAI meanwhile, below ``chatgpt_base_url``:

=================  ===================================================================================================
0.107.0 – 0.141.0  ``wham/usage``, for the limits; the plan comes from its own token
0.144.6 – 0.149.1  the same, and ``wham/rate-limit-reset-credits``
0.160.1 – 0.169.0  the same, and ``wham/accounts/check``: without an answer to it, ``account/read`` is an error
=================  ===================================================================================================

With an API key, or none, ``account/read`` says so and the limits are an error. The answers take 0.1 to 0.5 s in the
tests, and otherwise as long as OpenAI takes.

A Codex without a database in its home first indexes every rollout there. If it is stopped meanwhile, the database stays
marked as being indexed, and for minutes each Codex in that home waits 30 s for nothing (60,000 rollouts, 0.169.0). So
these requests use a temporary database, made by a first start in an empty home, where there is nothing to index. Each
of the builds above accepts ``sqlite_home``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from codex_imagegen import render
from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.appserver.client import AppServer, RequestRefused
from codex_imagegen.codex.install import npm
from codex_imagegen.codex.run import workspace
from codex_imagegen.errors import CodexFailed, OutUnwritable
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.values import as_number, as_object

MAX_LIMITS = 8
_PLAN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_NAME = re.compile(r"[\w .:+()-]{1,48}")
_MAX_QUOTED_CHARS = 120


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of the plan: how much of it is used, in per cent, how long its window is, and when it resets.

    ``window_minutes`` and ``resets_at`` (Unix seconds) are None where Codex does not say.
    """

    name: str
    used_percent: float
    window_minutes: int | None = None
    resets_at: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """The plan and its limits. ``limits`` is None where they are unknown, and ``error`` says why."""

    plan: str | None = None
    limits: tuple[Limit, ...] | None = None
    error: str | None = None


def read(codex: str, environment: Mapping[str, str], timeout_sec: float, interrupt: Interrupt | None = None) -> Account:
    """Read the account. Raises :class:`CodexMissing` where Codex can't be started; ``error`` has any other failure."""
    deadline, interrupt = time.monotonic() + timeout_sec, interrupt or Interrupt()
    try:
        with workspace.workspace() as (folder, _references):
            server = partial(
                AppServer, npm.find_binary(codex), databases=folder, interrupt=interrupt, deadline=deadline
            )
            with server(environment={**environment, "CODEX_HOME": folder}):
                pass  # this start makes the databases, where there is nothing to index
            with server(environment=environment) as client:
                return _read_account(client)
    except (CodexFailed, OutUnwritable) as error:
        return Account(error=error.message)


def _read_account(server: AppServer) -> Account:
    """Send the two requests; each may fail without the other."""
    plan, limits, problem = None, None, None
    try:
        answer = server.request("account/read", {"refreshToken": False})
        plan = _plan(as_object(answer.get("account")).get("planType"))
    except RequestRefused as error:
        problem = _quoted(error)
    try:
        answer = server.request("account/rateLimits/read", None)
        limits = _limits(answer)
        plan = plan or _plan(as_object(answer.get("rateLimits")).get("planType"))
        problem = None if limits else "Codex reports no limits"
    except RequestRefused as error:
        problem = _quoted(error)
    return Account(plan, limits or None, problem)


def _quoted(error: RequestRefused) -> str:
    # secrets are hidden before the text is cut: half a URL shows its password without the mark that identifies it
    text = render.hide_secrets(str(error))
    if len(text) > _MAX_QUOTED_CHARS:
        beginning = text[: _MAX_QUOTED_CHARS - 2]
        text = f"{beginning.rpartition(' ')[0] or beginning} …"
    return f"Codex said: {text}"


def _limits(answer: dict[str, Any]) -> tuple[Limit, ...]:
    """Each window of each limit: of the limits by id where there are any, else of the only one."""
    by_id = as_object(answer.get("rateLimitsByLimitId")) or {"codex": answer.get("rateLimits")}
    found = [limit for name, windows in by_id.items() for limit in _windows(str(name), as_object(windows))]
    return tuple(sorted(found, key=lambda limit: (limit.name != "codex", limit.name)))[:MAX_LIMITS]


def _windows(limit_id: str, windows: dict[str, Any]) -> list[Limit]:
    name = windows.get("limitName") or limit_id
    name = name if isinstance(name, str) and _NAME.fullmatch(name) else "another"
    found = []
    for key in ("primary", "secondary"):
        window = as_object(windows.get(key))
        used = as_number(window.get("usedPercent"))
        if used is not None and 0 <= used <= 1000:
            minutes = window.get("windowDurationMins")
            minutes = minutes if type(minutes) is int and 0 < minutes < 10**7 else None
            found.append(Limit(name, float(used), minutes, error_patterns.as_unix_time(window.get("resetsAt"))))
    return found


def _plan(value: object) -> str | None:
    return value if isinstance(value, str) and _PLAN.fullmatch(value) and value != "unknown" else None
