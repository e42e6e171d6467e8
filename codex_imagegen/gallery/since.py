"""``--since`` as a moment: a date, a date and a time, or a span such as 7d before now."""

from __future__ import annotations

import re
import time
from datetime import datetime

from codex_imagegen.errors import UsageError

_SPAN = re.compile(r"(\d{1,6})([mhdw])\Z")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse(words: str) -> float:
    """The moment in Unix seconds; a date is its beginning in the local time zone. Raises :class:`UsageError`."""
    now = time.time()
    span = _SPAN.match(words)
    if span:
        return max(0.0, now - int(span[1]) * _SECONDS[span[2]])
    try:
        moment = datetime.fromisoformat(words).timestamp()
    except (ValueError, OverflowError) as error:
        hint = "give a date such as 2026-11-01, or a span such as 7d, 12h or 30m"
        raise UsageError(f"--since {words!r} is no date and no span", hint=hint) from error
    if moment > now:
        raise UsageError(f"--since {words!r} is in the future", hint="no picture was made since then")
    return moment
