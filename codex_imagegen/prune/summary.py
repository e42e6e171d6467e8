"""What a look at our sessions found, and what became of them: as data, as words, and as JSON; pure."""

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
    """A number of sessions, their bytes, and when the first and the last of them began, in UTC."""

    sessions: int
    bytes: int
    oldest: str | None
    newest: str | None


@dataclass(slots=True)
class Summary:
    """Each of our own sessions with the reason why it stays (None: it may go), and those that are gone.

    ``dry_run`` is True until something was to be removed. ``failures`` are (thread, error) of those that could not be.
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
        """All of our sessions that were found."""
        return [own for own, _reason in self.decisions]

    @property
    def prunable(self) -> list[OwnSession]:
        """Those that may go."""
        return [own for own, reason in self.decisions if reason is None]

    def kept(self) -> Iterator[tuple[Reason, list[OwnSession]]]:
        """Those that stay, by reason."""
        for reason in REASONS:
            kept = [own for own, why in self.decisions if why == reason]
            if kept:
                yield reason, kept

    def freed_bytes(self, owns: Iterable[OwnSession]) -> int:
        """The bytes that are free when these are gone."""
        return sum(own.status.st_size if self.keep_pictures else own.bytes for own in owns)


def to_json(tally: Summary) -> str:
    """The envelope of every command, with all of it in keys of its own, on one line."""
    failures = [Failure(index, error) for index, (_own, error) in enumerate(tally.failures)]
    if tally.error and not failures:
        failures.append(Failure(0, tally.error))
    result = Result(
        ok=tally.error is None, backend="codex", failures=tuple(failures), error=tally.error,
        elapsed_sec=tally.elapsed_sec, warnings=tuple(tally.warnings),
    )  # fmt: skip
    fields = {
        "dry_run": tally.dry_run,
        "older_than_sec": tally.older_than_sec,
        "keep_pictures": tally.keep_pictures,
        "total": asdict(_some(tally.sessions)),
        "months": [{"month": month, **asdict(_some(owns))} for month, owns in _months(tally.sessions)],
        "kept": [{"reason": reason, **asdict(_some(owns))} for reason, owns in tally.kept()],
        "prunable": asdict(_some(tally.prunable, tally.freed_bytes(tally.prunable))),
        "removed": asdict(_some(tally.removed, tally.freed_bytes(tally.removed))),
    }
    return json.dumps(render.envelope(result) | fields)


def table(tally: Summary) -> list[str]:
    """What there is by months, what stays and why, and what may go; at most 40 columns where words allow it."""
    lines = [f"{'month':8}{'sessions':>9}{'rollouts':>11}{'pictures':>11}"]
    rows = [(month or "?", owns) for month, owns in _months(tally.sessions)]
    for name, owns in [*rows, ("all", tally.sessions)]:
        rollouts, pictures = sum(o.status.st_size for o in owns), sum(o.picture_bytes for o in owns)
        lines.append(f"{name:8}{len(owns):>9,}{size(rollouts):>11}{size(pictures):>11}")
    lines.append("")
    lines += [f"{'stay':8}{len(owns):>9,}  {REASONS[reason]}" for reason, owns in tally.kept()]
    going = tally.prunable
    lines.append(f"{'may go':8}{len(going):>9,}{size(tally.freed_bytes(going)):>11}")
    return lines


def lines(tally: Summary) -> str:
    """What was removed, in one sentence."""
    words = f"removed {sessions(len(tally.removed))}, {size(tally.freed_bytes(tally.removed))}"
    return f"{words}; {len(tally.failures):,} could not be removed" if tally.failures else words


def sessions(count: int) -> str:
    """``1 session``, ``2,000 sessions``."""
    return f"{count:,} session" + ("" if count == 1 else "s")


def size(count: float) -> str:
    """Bytes for a person: ``1.5 GB``, in powers of ten."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _some(owns: list[OwnSession], room: int | None = None) -> Totals:
    began = [own.began for own in owns if own.began]
    return Totals(
        len(owns),
        sum(own.bytes for own in owns) if room is None else room,
        _utc(min(began)) if began else None,
        _utc(max(began)) if began else None,
    )


def _months(owns: Iterable[OwnSession]) -> list[tuple[str | None, list[OwnSession]]]:
    """The sessions by the month, in local time, in which they began; oldest first."""
    months: dict[str, list[OwnSession]] = {}
    for own in owns:
        months.setdefault(time.strftime("%Y-%m", time.localtime(own.began)) if own.began else "", []).append(own)
    return [(month or None, months[month]) for month in sorted(months)]


def _utc(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
