"""Format the report as lines of text or as one JSON object.

It can be pasted into a bug report: home folders, user names, e-mail addresses, keys and passwords are removed.
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
"""The text of each status, where there is no colour."""

_MARK_WIDTH = max(map(len, MARKS.values()))

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}")
_HOMES = re.compile(r"(/(?:home|Users)/)[^/\s'\"]+")


def format_line(finding: Finding, name_width: int) -> str:
    """One check as one line, for a pipe or a file: status, name, message, and hint."""
    text = f"{finding.message}{f' -> {render.hint_line(finding.hint)}' if finding.hint else ''}"
    return f"{MARKS[finding.status]:<{_MARK_WIDTH}}  {finding.name:<{name_width}}  {text}"


def format_summary(findings: tuple[Finding, ...]) -> str:
    """The number of checks, and of warnings, failures and unknown results."""
    counts = {status: sum(finding.status == status for finding in findings) for status in MARKS if status != "ok"}
    parts = [
        f"{count} {status}{'s' * (status == 'warning' and count > 1)}" for status, count in counts.items() if count
    ]
    return f"{len(findings)} checks: {', '.join(parts) or 'all ok'}"


def to_json(report: Report) -> str:
    """The report as one line: the usual JSON object with ``checks`` and ``versions``. Every key is present."""
    return json.dumps(
        render.envelope(_result(report))
        | {"checks": [_check(finding) for finding in report.findings], "versions": dict(report.versions)}
    )


def _result(report: Report) -> Result:
    errors = [(index, found.error) for index, found in enumerate(report.findings) if found.error is not None]
    failures = tuple(Failure(index, render.error_info(error)) for index, error in errors)
    return Result(
        ok=not failures,
        backend="codex",
        failures=failures,
        error=failures[0].error if failures else None,
        codex_version=report.versions["codex"],
        elapsed_sec=round(report.elapsed_sec, 3),
        warnings=tuple(Warning_(found.name, found.message) for found in report.findings if found.status == "warning"),
    )


def _check(finding: Finding) -> dict[str, object]:
    return {
        "name": finding.name,
        "status": finding.status,
        "message": finding.message,
        "hint": finding.hint,
        "data": dict(finding.data),
    }


class Redactor:
    """Removes private data and terminal control sequences from text."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        home = environment.get("HOME") or os.path.expanduser("~")
        homes = {home.rstrip("/"), os.path.realpath(home)} - {"", "/"}
        # the longest first: one may be a prefix of the other
        self._homes = [re.compile(re.escape(path) + r"(?![\w.-])") for path in sorted(homes, key=len, reverse=True)]
        name = os.path.basename(home.rstrip("/"))
        self._name = re.compile(rf"(?<=/){re.escape(name)}(?=/|$|\s)") if len(name) > 1 else None

    def redact(self, finding: Finding) -> Finding:
        """The finding without private data."""
        data = {key: self._redact_value(value) for key, value in finding.data.items()}
        hint = None if finding.hint is None else "\n".join(map(self.redact_text, finding.hint.split("\n")))
        if finding.error is not None:
            finding.error.message, finding.error.hint = self.redact_text(finding.error.message), hint
        return replace(finding, message=self.redact_text(finding.message), hint=hint, data=data)

    def redact_text(self, text: str) -> str:
        """The text without private data."""
        text = render.hide_secrets(text)
        for home in self._homes:
            text = home.sub("~", text)
        text = _HOMES.sub(r"\1(user)", text)
        if self._name is not None:
            text = self._name.sub("(user)", text)
        return render.one_line(_EMAIL.sub("(e-mail)", text))

    def _redact_value(self, value: object) -> object:
        if isinstance(value, str):
            return self.redact_text(value)
        if isinstance(value, list):
            return [self._redact_value(item) for item in value]
        if isinstance(value, dict):
            return {key: self._redact_value(item) for key, item in value.items()}
        return value
