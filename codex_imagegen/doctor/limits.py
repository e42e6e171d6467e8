"""What is left of the plan's limits, in the words of Codex's own app-server."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict

from codex_imagegen.codex.appserver.account import Limit
from codex_imagegen.codex.install import version
from codex_imagegen.codex.sessions import disk_usage
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, ok, unknown, warning

_SPANS = {300: "5 hours", 1440: "day", 10_080: "week", 43_200: "30 days"}
_DAY_SEC = 86_400
_OWN_SINCE = (0, 144)
"""Up to 0.143 pictures count toward the plan's own limits."""

_PICTURES = re.compile("image|picture", re.IGNORECASE)
COUNT_SEC = 1.0
"""Seconds after which pictures are no longer counted."""

_UNREACHED = "error sending request"
_OFFLINE = "check the network; inside another agent's sandbox, allow it"


def check_limits(context: Context) -> Finding:
    """How much of each limit is left and when it begins anew, and how many pictures were made here in a day."""
    account, now = context.account(), time.time()
    made = disk_usage.pictures_since(context.codex_home, now - _DAY_SEC, COUNT_SEC)
    if account.limits is None:
        offline = _UNREACHED in (account.why or "")
        return unknown(
            f"what is left of the plan's limits can't be known: {account.why}",
            _OFFLINE if offline else None,
            data={"pictures_last_day": made},
        )
    told = "; ".join([*(_words(limit, now) for limit in account.limits), *_of_pictures(made, account.limits, context)])
    data = {"limits": [asdict(limit) for limit in account.limits], "pictures_last_day": made}
    if any(limit.used_percent >= 100 for limit in account.limits):
        return warning(f"used up: {told}", "wait until then; --backend runcomfy is paid", data=data)
    return ok(told, data=data)


def _of_pictures(made: int, limits: Sequence[Limit], context: Context) -> list[str]:
    """What the limits above do not say: how many pictures are left."""
    known = context.version()
    own = known is None or version.number(known) >= _OWN_SINCE
    if not own or any(_PICTURES.search(limit.name) for limit in limits):
        return []
    count = f"{made} {'was' if made == 1 else 'were'} made here in the last 24 hours"
    return [f"pictures have a daily limit of their own, which nobody can ask for ({count})"]


def _words(limit: Limit, now: float) -> str:
    span = _SPANS.get(limit.window_minutes or 0) or (f"{limit.window_minutes} min" if limit.window_minutes else "limit")
    name = span if limit.name == "codex" else f"{limit.name}, {span}"
    left = f"{name}: {max(0.0, 100 - limit.used_percent):.0f} % left"
    return f"{left}, resets {_when(limit.resets_at, now)}" if limit.resets_at else left


def _when(at: int, now: float) -> str:
    near = 0 <= at - now < _DAY_SEC
    return time.strftime("at %H:%M" if near else "on %Y-%m-%d %H:%M", time.localtime(at))
