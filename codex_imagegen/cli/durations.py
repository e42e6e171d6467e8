"""Durations and dates of the command line: 12h, 7d, 2026-11-01."""

from __future__ import annotations

import re
import time

from codex_imagegen.errors import UsageError

_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([hdwy])")
_SECONDS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_557_600.0}


def parse_duration(text: str) -> float | None:
    """Return the seconds of a duration in hours, days, weeks or years, or None where the text is none."""
    match = _DURATION.fullmatch(text)
    return float(match[1]) * _SECONDS[match[2]] if match else None


def parse_since(text: str) -> float:
    """Return the Unix seconds that ``--since`` means: a duration before now, or a date from its local midnight on.

    Raises :class:`UsageError`.
    """
    from datetime import datetime

    now, duration = time.time(), parse_duration(text)
    if duration is not None:
        return max(0.0, now - duration)
    try:
        moment = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:
        hint = "give a date such as 2026-11-01, or a duration such as 12h, 7d or 2w"
        raise UsageError(f"--since {text!r} is neither a date nor a duration", hint=hint) from error
    if moment > now:
        raise UsageError(f"--since {text!r} is in the future", hint="no picture was made since then")
    return moment
