"""Room: how much is left where Codex and this program write, and how much the past takes."""

from __future__ import annotations

import tempfile

from codex_imagegen.codex.sessions import disk_usage
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, ok, unknown, warning

COUNT_SEC = 2.0
"""Seconds after which counting stops, and "more than" is said."""

LITTLE_BYTES = 256 * 1024 * 1024
"""Less than this is little: a picture is 1.5 MB, and three times that in its rollout; Codex's database grows too."""


def check_space(context: Context) -> Finding:
    """How much is free, and how much rollouts and pictures take; of them nothing is read."""
    home = context.codex_home
    free = {
        "CODEX_HOME": disk_usage.free_bytes(home),
        "the temporary folder": disk_usage.free_bytes(tempfile.gettempdir()),
    }
    taken = disk_usage.count(home, COUNT_SEC)
    data = {
        "free_bytes": free["CODEX_HOME"], "rollouts": taken.rollouts, "rollout_bytes": taken.rollout_bytes,
        "pictures": taken.pictures, "picture_bytes": taken.picture_bytes, "counted_all": taken.whole,
    }  # fmt: skip
    if free["CODEX_HOME"] is None:
        return unknown("the file system of CODEX_HOME does not tell", data=data)
    more = "" if taken.whole else "more than "
    message = (
        f"{size(free['CODEX_HOME'])} free; {more}{taken.rollouts:,} rollouts take {more}{size(taken.rollout_bytes)}, "
        f"{taken.pictures:,} pictures {more}{size(taken.picture_bytes)}"
    )
    scarce = [where for where, left in free.items() if left is not None and left < LITTLE_BYTES]
    if scarce:
        return warning(f"little room is left in {' and '.join(scarce)}: {message}", "make room there", data=data)
    return ok(message, data=data)


def size(number: int | None) -> str:
    """Bytes for a person, in decimal units."""
    value = float(number or 0)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit in {"B", "kB"} or value >= 100 else f"{value:.1f} {unit}"
