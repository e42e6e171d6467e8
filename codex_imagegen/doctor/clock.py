"""The clock: Codex's login and the search for today's rollout depend on it. No clock is asked of a network."""

from __future__ import annotations

import os
import tempfile
import time

from codex_imagegen.doctor import probe
from codex_imagegen.doctor.checks_home import folder_of
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, ok, unknown, warning

FIRST_YEAR, LAST_YEAR = 2026, 2050
"""Years that are no plain mistake: this program was written in the first."""

SKEW_SEC = 5.0
"""Seconds that a file server's clock may differ; file times on Linux are some 4 ms old."""

_HINT = "set the clock: a login is refused when it is wrong"


def check_clock(context: Context) -> Finding:
    """Whether the year can be true, and whether the file system of the rollouts has the same time."""
    now = time.time()
    year = time.gmtime(now).tm_year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return warning(f"the clock says {year}", _HINT, {"year": year})
    folder = folder_of(context.codex_home)
    try:
        skew = probe.unnamed(folder if os.path.isdir(folder) else tempfile.gettempdir()) - now
    except OSError:
        return unknown("the clock can't be compared: no file can be made in CODEX_HOME", data={"year": year})
    data = {"year": year, "skew_sec": round(skew, 1)}
    if abs(skew) > SKEW_SEC:
        told = f"the file system of CODEX_HOME is {abs(skew):,.0f} s {'ahead' if skew > 0 else 'behind'}"
        return warning(told, "set the clock here, or that of the file server", data)
    return ok("agrees with the file system", data=data)
