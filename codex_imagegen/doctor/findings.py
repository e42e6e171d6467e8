"""What a check found, and what the whole examination came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from codex_imagegen.errors import ImagegenError

Status = Literal["ok", "warning", "failed", "unknown"]
Data = Mapping[str, object]


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked at, how it is, and what to do.

    ``data`` is the same for a program: numbers and names, by keys that are each check's own. ``error`` is what a run
    would fail with; it is there with the status ``failed`` alone.
    """

    status: Status
    message: str
    hint: str | None = None
    data: Data = field(default_factory=dict)
    name: str = ""
    error: ImagegenError | None = None


def ok(message: str, hint: str | None = None, data: Data | None = None) -> Finding:
    """All is well."""
    return Finding("ok", message, hint, data or {})


def warning(message: str, hint: str | None = None, data: Data | None = None) -> Finding:
    """A run would work; still, somebody should know."""
    return Finding("warning", message, hint, data or {})


def unknown(message: str, hint: str | None = None, data: Data | None = None) -> Finding:
    """Nobody can tell."""
    return Finding("unknown", message, hint, data or {})


def failed(error: ImagegenError, data: Data | None = None) -> Finding:
    """A run would fail with this."""
    return Finding("failed", error.message, error.hint, data or {}, error=error)


@dataclass(frozen=True)
class Report:
    """All findings in their order, and the versions of everything that takes part."""

    findings: tuple[Finding, ...]
    versions: Mapping[str, str | None]
    elapsed_sec: float

    @property
    def error(self) -> ImagegenError | None:
        """What a run would fail with first."""
        return next((finding.error for finding in self.findings if finding.error), None)
