"""Outcomes of jobs, and results as the journal keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Literal, TypeGuard, get_args, get_type_hints

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError
from codex_imagegen.files.opening import open_regular
from codex_imagegen.results import ErrorInfo, Failure, Image, Result, Warning_
from codex_imagegen.values import as_list

Status = Literal["made", "recovered", "skipped", "failed", "not-started"]
"""``recovered``: made by an interrupted run; ``skipped``: made by an earlier run, and unchanged."""


RETRY_HINT = "try it again with --retry-failed"
"""The hint of a failure that an earlier batch has recorded."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. ``out`` is the absolute path of its picture; it and ``prompt`` are None if the line is wrong."""

    line: int
    out: str | None
    status: Status
    result: Result
    prompt: str | None = None


def envelope(outcome: Outcome) -> dict[str, Any]:
    """The JSON object of an outcome: the envelope with the job's line, prompt (its beginning), output and status."""
    return {
        **render.envelope(outcome.result),
        "job": outcome.line,
        "prompt": None if outcome.prompt is None else render.short_prompt(outcome.prompt),
        "out": outcome.out,
        "status": outcome.status,
    }


def to_journal(result: Result) -> dict[str, Any]:
    """The part of a result that the journal keeps."""
    values = asdict(result)
    names = ("error",) if result.error else ("images", "warnings", "cost_usd")
    return {name: values[name] for name in (*names, "thread_id", "codex_version", "request_id") if values[name]}


def read_done(record: Mapping[str, Any], out: str, backend: str) -> Result | None:
    """The result of a ``done`` record of any shape, or None unless its picture is still at ``out``."""
    images = as_list(record.get("images"))
    image = images[0] if len(images) == 1 else None
    if not _has_fields(image, Image) or image["sha256"] != file_sha256(out):
        return None
    return Result(
        ok=True,
        backend=backend,
        images=(Image(**{**image, "path": out, "replaced": False}),),
        warnings=tuple(Warning_(**each) for each in as_list(record.get("warnings")) if _has_fields(each, Warning_)),
        **_ids(record),
    )


def read_failed(record: Mapping[str, Any], backend: str) -> Result | None:
    """The result of a ``failed`` record of any shape, or None: the same failure, with nothing spent this time."""
    error = record.get("error")
    if not _has_fields(error, ErrorInfo):
        return None
    info = ErrorInfo(**{**error, "spent": False, "hint": RETRY_HINT})
    return Result(ok=False, backend=backend, failures=(Failure(0, info),), error=info, **_ids(record))


def _ids(record: Mapping[str, Any]) -> dict[str, Any]:
    """The ids of a record, and its Codex version."""
    ids = {name: record.get(name) for name in ("thread_id", "codex_version", "request_id")}
    return {name: value for name, value in ids.items() if isinstance(value, str)}


def _has_fields(value: Any, kind: type) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object with the fields of a dataclass, each of its type, and no others."""
    if not isinstance(value, dict) or not value.keys() <= (types := _field_types(kind)).keys():
        return False
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    return needed <= value.keys() and all(type(each) in types[name] for name, each in value.items())


@lru_cache
def _field_types(kind: type) -> dict[str, tuple[type, ...]]:
    """The types of each field of a dataclass; a union counts as its members."""
    return {name: get_args(hint) or (hint,) for name, hint in get_type_hints(kind).items()}


def not_started_result(stopped: ImagegenError, backend: str) -> Result:
    """The result of a job that was not started because of ``stopped`` (see :mod:`codex_imagegen.runner.attempts`)."""
    stopped.backend = backend
    return render.failure_result(stopped)


def file_sha256(path: str) -> str | None:
    """The SHA-256 of a regular file, or None where it can't be read; symbolic links are not followed."""
    try:
        with open_regular(path, follow=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
