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
in the real world as long as OpenAI takes.

A Codex that finds no database in its home indexes every rollout there first, and one that is ended meanwhile leaves the
database marked as being indexed: for minutes from then on, each Codex in that home waits 30 s for nothing (60,000
rollouts, 0.169.0). So these have a database of their own, for the length of the question: made by a first start in an
empty home, where there is nothing to index. ``sqlite_home`` is taken by each of the builds above.
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
from codex_imagegen.codex.appserver.client import AppServer, Refused, as_dict
from codex_imagegen.codex.install import npm
from codex_imagegen.codex.run import workspace
from codex_imagegen.errors import CodexFailed, OutUnwritable
from codex_imagegen.interrupt import Interrupt

MAX_LIMITS = 8
_PLAN = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_NAME = re.compile(r"[\w .:+()-]{1,48}")
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
    """What was told. ``limits`` is None where nothing is known of them, and ``error`` says why."""

    plan: str | None = None
    limits: tuple[Limit, ...] | None = None
    error: str | None = None


def read(codex: str, environment: Mapping[str, str], timeout_sec: float, interrupt: Interrupt | None = None) -> Account:
    """Ask; raises :class:`CodexMissing` where Codex can't be started. Whatever else goes wrong stands in ``why``."""
    deadline, interrupt = time.monotonic() + timeout_sec, interrupt or Interrupt()
    try:
        with workspace.workspace() as (folder, _references):
            server = partial(AppServer, npm.binary(codex), databases=folder, interrupt=interrupt, deadline=deadline)
            with server(environment={**environment, "CODEX_HOME": folder}):
                pass  # it has made its databases, where there is nothing to index
            with server(environment=environment) as asked:
                return _account(asked)
    except (CodexFailed, OutUnwritable) as error:
        return Account(error=error.message)


def _account(server: AppServer) -> Account:
    """The two answers; each may be an error without the other."""
    plan, limits, why = None, None, None
    try:
        told = server.request("account/read", {"refreshToken": False})
        plan = _plan(as_dict(told.get("account")).get("planType"))
    except Refused as error:
        why = _said(error)
    try:
        told = server.request("account/rateLimits/read", None)
        limits = _limits(told)
        plan = plan or _plan(as_dict(told.get("rateLimits")).get("planType"))
        why = None if limits else "Codex told no limits"
    except Refused as error:
        why = _said(error)
    return Account(plan, limits or None, why)


def _said(error: Refused) -> str:
    # hidden before it is cut: half an address shows its password without the sign by which it is known
    return f"Codex said: {render.without_secrets(str(error))[:_MAX_WORDS]}"


def _limits(told: dict[str, Any]) -> tuple[Limit, ...]:
    """Each window of each limit: of those by id where there are any, else of the only one."""
    by_id = as_dict(told.get("rateLimitsByLimitId")) or {"codex": told.get("rateLimits")}
    found = [limit for name, windows in by_id.items() for limit in _windows(str(name), as_dict(windows))]
    return tuple(sorted(found, key=lambda limit: (limit.name != "codex", limit.name)))[:MAX_LIMITS]


def _windows(limit_id: str, windows: dict[str, Any]) -> list[Limit]:
    name = windows.get("limitName") or limit_id
    name = name if isinstance(name, str) and _NAME.fullmatch(name) else "another"
    found = []
    for which in ("primary", "secondary"):
        window = as_dict(windows.get(which))
        used = window.get("usedPercent")
        if isinstance(used, (int, float)) and not isinstance(used, bool) and 0 <= used <= 1000:
            minutes = window.get("windowDurationMins")
            minutes = minutes if type(minutes) is int and 0 < minutes < 10**7 else None
            found.append(Limit(name, float(used), minutes, error_patterns.unix_time(window.get("resetsAt"))))
    return found


def _plan(value: object) -> str | None:
    return value if isinstance(value, str) and _PLAN.fullmatch(value) and value != "unknown" else None
