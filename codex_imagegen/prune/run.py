"""Run a prune: scan the sessions, decide which may be removed, and remove them one by one on request."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from codex_imagegen import render
from codex_imagegen.codex.appserver.client import RequestRefused
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import CodexFailed, Interrupted, OutUnwritable
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.prune import policy
from codex_imagegen.prune.delete import Remover
from codex_imagegen.prune.policy import Policy
from codex_imagegen.prune.scan import OwnSession, ScanResult, scan
from codex_imagegen.prune.summary import Summary
from codex_imagegen.results import ErrorInfo, Warning_

ReportProgress = Callable[[str, int], None]
"""Receives what is being done, and the number of the session."""


def find_prunable(
    older_than_sec: float, *, keep_pictures: bool, interrupt: Interrupt, on_progress: ReportProgress,
    environment: Mapping[str, str] | None = None,
) -> Summary:  # fmt: skip
    """Find the sessions of this program in the Codex home of ``environment``, and those that may be removed."""
    codex_home = layout.codex_home(os.environ if environment is None else environment)
    rule = Policy(codex_home, older_than_sec, keep_pictures)

    def report(what: str, number: int) -> None:
        if interrupt.signum is not None:
            raise Interrupted("interrupted; nothing was removed", signum=interrupt.signum, hint="run it again")
        on_progress(what, number)

    result = scan(codex_home, lambda number: report("scanning sessions", number))
    summary = Summary(codex_home, [], older_than_sec, keep_pictures, warnings=_warnings(result))
    for number, session in enumerate(result.own, 1):
        report("checking sessions of this program", number)
        summary.decisions.append((session, policy.find_reason(session, rule, result.forked)))
    return summary


def remove(
    summary: Summary, *, codex: str | None, interrupt: Interrupt, on_progress: ReportProgress,
    environment: Mapping[str, str] | None = None,
) -> Summary:  # fmt: skip
    """Remove the prunable sessions, oldest first, after a second check of each; the summary has the outcome.

    A signal ends it between two sessions. Raises :class:`CodexMissing` where ``codex`` was given and is missing.
    """
    environment = os.environ if environment is None else environment
    rule = Policy(summary.codex_home, summary.older_than_sec, summary.keep_pictures)
    prunable = sorted(summary.prunable, key=lambda session: session.created_at)
    summary.dry_run = False
    remover = Remover(summary.codex_home, codex=codex, environment=environment, interrupt=interrupt)
    try:
        with remover:
            for number, session in enumerate(prunable, 1):
                interrupt.check()
                on_progress(f"removing {render.plural(len(prunable), 'session')}", number)
                _remove_session(remover, session, rule, summary)
    except Interrupted as error:
        message = (
            f"interrupted after {len(summary.removed):,} of {render.plural(len(prunable), 'session')} were removed"
        )
        summary.error = render.error_info(
            Interrupted(message, signum=error.exit_code - 128, hint="run it again to go on")
        )
    except CodexFailed as error:
        summary.error = render.error_info(error)
    else:
        summary.error = _failed(summary)
    if summary.removed and remover.without_codex:
        summary.warnings.append(Warning_("still-indexed", remover.without_codex))
    return summary


def _remove_session(remover: Remover, session: OwnSession, rule: Policy, summary: Summary) -> None:
    if policy.has_changed(session) or policy.is_running(session, rule.codex_home):
        at = next(index for index, (other, _) in enumerate(summary.decisions) if other is session)
        summary.decisions[at] = (session, "running")
        return
    try:
        remover.remove(session, keep_pictures=rule.keep_pictures)
    except RequestRefused as error:
        refused = CodexFailed(
            f"Codex keeps {session.thread_id}: {error}", hint="end what has it open, and run it again"
        )
        summary.failures.append((session, render.error_info(refused)))
    except OutUnwritable as error:
        summary.failures.append((session, render.error_info(error)))
    else:
        summary.removed.append(session)


def _failed(summary: Summary) -> ErrorInfo | None:
    if not summary.failures:
        return None
    first, tried = summary.failures[0][1], len(summary.failures) + len(summary.removed)
    message = render.partial_failure(
        len(summary.failures), tried, "session", first.message, verb="could not be removed"
    )
    return replace(first, exit_code=1, message=message)


def _warnings(result: ScanResult) -> list[Warning_]:
    warnings = [Warning_("linked", f"{path!r} is a symbolic link and was not searched") for path in result.links]
    if result.compressed:
        count = render.plural(result.compressed, "session")
        message = f"{count} skipped: compressed rollouts can't be read, so they are kept"
        warnings.append(Warning_("compressed", message))
    return warnings
