"""What became of a job: as a result, and as the journal keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal, TypeGuard, get_args, get_type_hints

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError
from codex_imagegen.files.reading import open_regular
from codex_imagegen.results import ErrorInfo, Failure, Image, Result, Warning_
from codex_imagegen.values import as_list

Status = Literal["made", "recovered", "skipped", "failed", "not-started"]
"""``recovered``: made by a run that was cut off; ``skipped``: made by an earlier run, and left as it is."""


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
        **render.envelope(outcome.result),
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
    """The result of a ``done`` record whose bytes are still at ``out``, or None; a record may be of any shape."""
    images = as_list(record.get("images"))
    image = images[0] if len(images) == 1 else None
    if not _fits(image, Image) or image["sha256"] != sha256(out):
        return None
    return Result(
        ok=True,
        backend=backend,
        images=(Image(**{**image, "path": out}),),
        warnings=tuple(Warning_(**warning) for warning in as_list(record.get("warnings")) if _fits(warning, Warning_)),
        **_names(record),
    )


def failed_before(record: Mapping[str, Any], backend: str) -> Result | None:
    """The result of a ``failed`` record: the same failure, and nothing was spent on it this time."""
    error = record.get("error")
    if not _fits(error, ErrorInfo):
        return None
    info = ErrorInfo(**{**error, "spent": False, "hint": "try it again with --retry-failed"})
    return Result(ok=False, backend=backend, failures=(Failure(0, info),), error=info, **_names(record))


def _names(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a result is called by elsewhere."""
    found = {name: record.get(name) for name in ("thread_id", "codex_version", "request_id")}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _fits(found: Any, kind: type) -> TypeGuard[dict[str, Any]]:
    """Whether an object that was read has the fields of a dataclass, each of its type, and no others."""
    if not isinstance(found, dict) or not found.keys() <= (known := _kinds(kind)).keys():
        return False
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    return needed <= found.keys() and all(type(value) in known[name] for name, value in found.items())


@lru_cache
def _kinds(kind: type) -> dict[str, tuple[type, ...]]:
    """The types that the fields of a dataclass may have: plain ones, and unions of them."""
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(kind).items()}


def left(stopped: ImagegenError, backend: str) -> Result:
    """The result of a job that was not started; ``stopped`` says why (see ``runner.stops``)."""
    stopped.backend = backend
    return render.failed(stopped)


def sha256(path: str) -> str | None:
    """The hash of a regular file, or None where there is none that can be read; links are not followed."""
    try:
        with open_regular(path, follow=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
