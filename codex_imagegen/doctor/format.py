"""The report as lines for a person, or as one JSON object; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from codex_imagegen import render
from codex_imagegen.doctor.findings import Finding, Report, Status
from codex_imagegen.results import Failure, Result, Warning_

MARKS: Mapping[Status, str] = {"ok": "ok", "failed": "FAIL", "warning": "warn", "unknown": "?"}
"""How each status looks where there is no colour."""

_MARK_WIDTH = max(map(len, MARKS.values()))


def line(finding: Finding, name_width: int) -> str:
    """One check as one line, for a pipe or a file: mark, name, what was found, and what to do."""
    told = f"{finding.message}{f' -> {finding.hint}' if finding.hint else ''}"
    return f"{MARKS[finding.status]:<{_MARK_WIDTH}}  {finding.name:<{name_width}}  {told}"


def summary(findings: tuple[Finding, ...]) -> str:
    """How many checks there were, and how many of each kind that is not well."""
    counts = {status: sum(finding.status == status for finding in findings) for status in MARKS if status != "ok"}
    told = [f"{count} {status}{'s' * (status == 'warning' and count > 1)}" for status, count in counts.items() if count]
    return f"{len(findings)} checks: {', '.join(told) or 'all well'}"


def to_json(done: Report) -> str:
    """The report as the envelope of every command with keys more, as one line: every key is always there."""
    return json.dumps(
        render.envelope(_result(done))
        | {"checks": [_check(one) for one in done.findings], "versions": dict(done.versions)}
    )


def _result(done: Report) -> Result:
    errors = [(index, one.error) for index, one in enumerate(done.findings) if one.error is not None]
    failures = tuple(Failure(index, render.error_info(error)) for index, error in errors)
    return Result(
        ok=not failures,
        backend="codex",
        failures=failures,
        error=failures[0].error if failures else None,
        codex_version=done.versions["codex"],
        elapsed_sec=round(done.elapsed_sec, 3),
        warnings=tuple(Warning_(one.name, one.message) for one in done.findings if one.status == "warning"),
    )


def _check(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "status": finding.status,
        "message": finding.message,
        "hint": finding.hint,
        "data": dict(finding.data),
    }
