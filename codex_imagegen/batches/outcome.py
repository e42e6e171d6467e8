"""What became of a job: as a result, and as the journal keeps it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from codex_imagegen import report
from codex_imagegen.errors import ImagegenError
from codex_imagegen.outcome import ErrorInfo, Failure, Image, Result, Warning_

Status = Literal["made", "recovered", "there", "failed", "left"]
"""``recovered``: by an earlier run that was cut off; ``there``: by an earlier run, and untouched; ``left``: undone."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One job's end. ``out`` is the absolute path that it was to write, where the line could be read."""

    line: int
    out: str | None
    status: Status
    result: Result


def envelope(outcome: Outcome) -> dict[str, Any]:
    """The JSON object of a job: the promised envelope, the line that asked for it, its output, and its status."""
    return {
        **report.envelope(outcome.result),
        "job": outcome.line,
        "out": outcome.out,
        "status": outcome.status,
    }


def to_journal(result: Result) -> dict[str, Any]:
    """What the journal keeps of a result."""
    kept = asdict(result)
    names = ("error",) if result.error else ("images", "warnings", "cost_usd")
    return {name: kept[name] for name in (*names, "thread_id", "codex_version", "request_id") if kept[name]}


def done_before(record: Mapping[str, Any], out: str, backend: str) -> Result | None:
    """The result of a ``done`` record whose bytes are still at ``out``, or None."""
    try:
        images = tuple(Image(**{**image, "path": out}) for image in record["images"])
        warnings = tuple(Warning_(**warning) for warning in record.get("warnings", ()))
        if len(images) != 1 or sha256(out) != images[0].sha256:
            return None
    except (KeyError, TypeError):
        return None
    return Result(
        ok=True,
        backend=backend,
        images=images,
        thread_id=record.get("thread_id"),
        codex_version=record.get("codex_version"),
        warnings=warnings,
        request_id=record.get("request_id"),
    )


def failed_before(record: Mapping[str, Any], backend: str) -> Result | None:
    """The result of a ``failed`` record: the same failure, and nothing was spent on it this time."""
    try:
        info = ErrorInfo(**{**record["error"], "spent": False, "hint": "try it again with --retry-failed"})
    except (KeyError, TypeError):
        return None
    return Result(
        ok=False,
        backend=backend,
        failures=(Failure(0, info),),
        error=info,
        thread_id=record.get("thread_id"),
        codex_version=record.get("codex_version"),
    )


def left(limit: ImagegenError, backend: str) -> Result:
    """The result of a job that was not begun, since the batch had to stop."""
    info = ErrorInfo(
        limit.code,
        limit.exit_code,
        f"not begun: {limit.message}",
        limit.hint,
        spent=False,
        resets_at=limit.resets_at,
    )
    return Result(ok=False, backend=backend, failures=(Failure(0, info),), error=info)


def sha256(path: str) -> str | None:
    """The hash of a regular file, or None where there is none that can be read; links are not followed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
