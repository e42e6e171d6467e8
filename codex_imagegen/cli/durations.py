"""Spans and moments as a person gives them: 12h, 7d, 2026-11-01."""

from __future__ import annotations

import re
import time

from codex_imagegen.errors import UsageError

_SPAN = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([hdwy])")
_SECONDS = {"h": 3600.0, "d": 86_400.0, "w": 604_800.0, "y": 31_557_600.0}


def seconds(words: str) -> float | None:
    """The seconds of a span of hours, days, weeks or years, or None where it is none."""
    found = _SPAN.fullmatch(words)
    return float(found[1]) * _SECONDS[found[2]] if found else None


def since(words: str) -> float:
    """The moment that ``--since`` means, in Unix seconds: a span before now, or a date, which begins at midnight here.

    Raises :class:`UsageError`.
    """
    from datetime import datetime

    now, span = time.time(), seconds(words)
    if span is not None:
        return max(0.0, now - span)
    try:
        moment = datetime.fromisoformat(words).timestamp()
    except (ValueError, OverflowError) as error:
        hint = "give a date such as 2026-11-01, or a span such as 12h, 7d or 2w"
        raise UsageError(f"--since {words!r} is no date and no span", hint=hint) from error
    if moment > now:
        raise UsageError(f"--since {words!r} is in the future", hint="no picture was made since then")
    return moment
