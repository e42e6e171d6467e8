"""What is left of the plan's limits, in the words of Codex's own app-server."""

from __future__ import annotations

import time
from dataclasses import asdict

from codex_imagegen.codex.account import Limit
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.finding import Finding, ok, unknown, warning

_SPANS = {300: "5 hours", 1440: "day", 10_080: "week", 43_200: "30 days"}
_DAY_SEC = 86_400
_UNREACHED = "error sending request"
_OFFLINE = "check the network; inside another agent's sandbox, allow it"


def check_limits(context: Context) -> Finding:
    """How much of each limit is left, and when it begins anew."""
    account = context.account()
    if account.limits is None:
        offline = _UNREACHED in (account.why or "")
        return unknown(
            f"what is left of the plan's limits can't be known: {account.why}", _OFFLINE if offline else None
        )
    told = "; ".join(_words(limit, time.time()) for limit in account.limits)
    data = {"limits": [asdict(limit) for limit in account.limits]}
    if any(limit.used_percent >= 100 for limit in account.limits):
        return warning(f"used up: {told}", "wait until then; --backend runcomfy is paid", data=data)
    return ok(told, data=data)


def _words(limit: Limit, now: float) -> str:
    span = _SPANS.get(limit.window_minutes or 0) or (f"{limit.window_minutes} min" if limit.window_minutes else "limit")
    name = span if limit.name == "codex" else f"{limit.name}, {span}"
    left = f"{name}: {max(0.0, 100 - limit.used_percent):.0f} % left"
    return f"{left}, resets {_when(limit.resets_at, now)}" if limit.resets_at else left


def _when(at: int, now: float) -> str:
    near = 0 <= at - now < _DAY_SEC
    return time.strftime("at %H:%M" if near else "on %Y-%m-%d %H:%M", time.localtime(at))
