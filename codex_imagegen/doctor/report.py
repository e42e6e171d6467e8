"""The report as lines for a person, or as one JSON object; pure.

A report that can be pasted into a bug report: no home folder, no user's name, no e-mail, no key or password.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace

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


_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
_HOMES = re.compile(r"(/(?:home|Users)/)[^/\s'\"]+")


class Redact:
    """Cleans text; also of whatever a terminal would obey."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        home = environment.get("HOME") or os.path.expanduser("~")
        homes = {home.rstrip("/"), os.path.realpath(home)} - {"", "/"}
        # the longest first: one may be the other's beginning
        self._homes = [re.compile(re.escape(path) + r"(?![\w.-])") for path in sorted(homes, key=len, reverse=True)]
        name = os.path.basename(home.rstrip("/"))
        self._name = re.compile(rf"(?<=/){re.escape(name)}(?=/|$|\s)") if len(name) > 1 else None

    def finding(self, finding: Finding) -> Finding:
        """The same finding, clean."""
        data = {key: self._value(value) for key, value in finding.data.items()}
        hint = None if finding.hint is None else self.text(finding.hint)
        if finding.error is not None:
            finding.error.message, finding.error.hint = self.text(finding.error.message), hint
        return replace(finding, message=self.text(finding.message), hint=hint, data=data)

    def text(self, text: str) -> str:
        """The same text, clean."""
        text = render.without_secrets(text)
        for home in self._homes:
            text = home.sub("~", text)
        text = _HOMES.sub(r"\1(user)", text)
        if self._name is not None:
            text = self._name.sub("(user)", text)
        return render.plain(_EMAIL.sub("(e-mail)", text))

    def _value(self, value: object) -> object:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(inner) for inner in value]
        if isinstance(value, dict):
            return {key: self._value(inner) for key, inner in value.items()}
        return value
