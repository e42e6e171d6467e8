"""The result of a scan and of a removal: as data, as a table, and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field

from codex_imagegen import render
from codex_imagegen.prune.policy import REASONS, Reason
from codex_imagegen.prune.scan import OwnSession
from codex_imagegen.results import ErrorInfo, Failure, Result, Warning_


@dataclass(frozen=True, slots=True)
class Totals:
    """A number of sessions, their bytes, and when the first and the last of them were created, in UTC."""

    sessions: int
    bytes: int
    oldest: str | None
    newest: str | None


@dataclass(slots=True)
class Summary:
    """Each session of this program with the reason why it is kept (None: it may be removed), and the removed ones.

    ``dry_run`` is True until a removal starts. ``failures`` are the sessions that could not be removed, each with its
    error.
    """

    codex_home: str
    decisions: list[tuple[OwnSession, Reason | None]]
    older_than_sec: float
    keep_pictures: bool = False
    dry_run: bool = True
    removed: list[OwnSession] = field(default_factory=list)
    failures: list[tuple[OwnSession, ErrorInfo]] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)
    error: ErrorInfo | None = None
    elapsed_sec: float = 0.0

    @property
    def sessions(self) -> list[OwnSession]:
        """All sessions of this program that were found."""
        return [session for session, _reason in self.decisions]

    @property
    def prunable(self) -> list[OwnSession]:
        """The sessions that may be removed."""
        return [session for session, reason in self.decisions if reason is None]

    def kept(self) -> Iterator[tuple[Reason, list[OwnSession]]]:
        """Yield the kept sessions by reason."""
        for reason in REASONS:
            sessions = [session for session, kept_for in self.decisions if kept_for == reason]
            if sessions:
                yield reason, sessions

    def freed_bytes(self, sessions: Iterable[OwnSession]) -> int:
        """The bytes that the removal of these sessions frees."""
        return sum(session.status.st_size if self.keep_pictures else session.bytes for session in sessions)


def to_json(summary: Summary) -> str:
    """The envelope with the keys of this command, as one line."""
    failures = [Failure(index, error) for index, (_session, error) in enumerate(summary.failures)]
    if summary.error and not failures:
        failures.append(Failure(0, summary.error))
    result = Result(
        ok=summary.error is None, backend="codex", failures=tuple(failures), error=summary.error,
        elapsed_sec=summary.elapsed_sec, warnings=tuple(summary.warnings),
    )  # fmt: skip
    fields = {
        "dry_run": summary.dry_run,
        "older_than_sec": summary.older_than_sec,
        "keep_pictures": summary.keep_pictures,
        "total": asdict(_totals(summary.sessions)),
        "months": [{"month": month, **asdict(_totals(sessions))} for month, sessions in _months(summary.sessions)],
        "kept": [{"reason": reason, **asdict(_totals(sessions))} for reason, sessions in summary.kept()],
        "prunable": asdict(_totals(summary.prunable, summary.freed_bytes(summary.prunable))),
        "removed": asdict(_totals(summary.removed, summary.freed_bytes(summary.removed))),
    }
    return json.dumps(render.envelope(result) | fields)


def format_table(summary: Summary) -> list[str]:
    """The sessions by month, those kept by reason, and those that may be removed; 40 columns without the reasons."""
    lines = [f"{'month':8}{'sessions':>9}{'rollouts':>11}{'pictures':>11}"]
    rows = [(month or "?", sessions) for month, sessions in _months(summary.sessions)]
    for name, sessions in [*rows, ("all", summary.sessions)]:
        rollouts, pictures = sum(s.status.st_size for s in sessions), sum(s.picture_bytes for s in sessions)
        lines.append(f"{name:8}{len(sessions):>9,}{render.size(rollouts):>11}{render.size(pictures):>11}")
    lines.append("")
    lines += [f"{'kept':8}{len(sessions):>9,}  {REASONS[reason]}" for reason, sessions in summary.kept()]
    prunable = summary.prunable
    lines.append(f"{'prunable':8}{len(prunable):>9,}{render.size(summary.freed_bytes(prunable)):>11}")
    return lines


def format_removed(summary: Summary) -> str:
    """The number and size of the removed sessions, as text."""
    count, freed = render.plural(len(summary.removed), "session"), render.size(summary.freed_bytes(summary.removed))
    failed = f"; {len(summary.failures):,} could not be removed" if summary.failures else ""
    return f"removed {count}, {freed}{failed}"


def _totals(sessions: list[OwnSession], size: int | None = None) -> Totals:
    times = [session.created_at for session in sessions if session.created_at]
    return Totals(
        len(sessions),
        sum(session.bytes for session in sessions) if size is None else size,
        _utc(min(times)) if times else None,
        _utc(max(times)) if times else None,
    )


def _months(sessions: Iterable[OwnSession]) -> list[tuple[str | None, list[OwnSession]]]:
    """The sessions by the month, in local time, in which they were created; oldest first."""
    months: dict[str, list[OwnSession]] = {}
    for session in sessions:
        at = session.created_at
        months.setdefault(time.strftime("%Y-%m", time.localtime(at)) if at else "", []).append(session)
    return [(month or None, months[month]) for month in sorted(months)]


def _utc(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
