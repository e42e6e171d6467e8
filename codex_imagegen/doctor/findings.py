"""The finding of each check, and the report of all findings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from codex_imagegen.errors import ImagegenError

Status = Literal["ok", "warning", "failed", "unknown"]
Data = Mapping[str, object]


@dataclass(frozen=True)
class Finding:
    """The result of one check, and one line of the report.

    ``data`` has the same facts for programs; each check has its own keys. ``error`` is the error that a run would end
    with; only a finding with the status ``failed`` has one.
    """

    status: Status
    message: str
    hint: str | None = None
    data: Data = field(default_factory=dict)
    name: str = ""
    error: ImagegenError | None = None


def ok(message: str, hint: str | None = None, data: Data | None = None) -> Finding:
    """A finding without a problem."""
    return Finding("ok", message, hint, data or {})


def warning(message: str, hint: str | None = None, data: Data | None = None) -> Finding:
    """A finding that the user should know of, although a run would work."""
    return Finding("warning", message, hint, data or {})


def unknown(message: str, hint: str | None = None, data: Data | None = None) -> Finding:
    """A finding of a check that could not be made."""
    return Finding("unknown", message, hint, data or {})


def failed(error: ImagegenError, data: Data | None = None) -> Finding:
    """A finding with the error that a run would end with."""
    return Finding("failed", error.message, error.hint, data or {}, error=error)


@dataclass(frozen=True)
class Report:
    """All findings in order, and the versions of all components."""

    findings: tuple[Finding, ...]
    versions: Mapping[str, str | None]
    elapsed_sec: float

    @property
    def error(self) -> ImagegenError | None:
        """The error that a run would end with: that of the first failed check."""
        return next((finding.error for finding in self.findings if finding.error), None)
