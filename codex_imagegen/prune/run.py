"""The story of a pruning: looked at, judged, and, when that is asked for, removed one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace

from codex_imagegen import render
from codex_imagegen.codex.appserver.client import Refused
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import CodexFailed, Interrupted, OutUnwritable
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.prune import policy
from codex_imagegen.prune.delete import Remover
from codex_imagegen.prune.policy import Policy
from codex_imagegen.prune.scan import OwnSession, ScanResult, scan
from codex_imagegen.prune.summary import Summary
from codex_imagegen.prune.summary import sessions as counted
from codex_imagegen.results import ErrorInfo, Warning_

Tell = Callable[[str, int], None]
"""Hears what is done just now, and how many sessions have been come to."""


def look(
    older_than_sec: float, *, keep_pictures: bool, interrupt: Interrupt, tell: Tell,
    environment: Mapping[str, str] | None = None,
) -> Summary:  # fmt: skip
    """What our runs have left in the Codex home of ``environment``, and what of it may go. Nothing is changed."""
    codex_home = layout.codex_home(os.environ if environment is None else environment)
    rule = Policy(codex_home, older_than_sec, keep_pictures)

    def told(what: str, number: int) -> None:
        if interrupt.signum is not None:
            raise Interrupted("interrupted; nothing was removed", signum=interrupt.signum, hint="run it again")
        tell(what, number)

    census = scan(codex_home, lambda number: told("looking at sessions", number))
    tally = Summary(codex_home, [], older_than_sec, keep_pictures, warnings=_warnings(census))
    for number, own in enumerate(census.own, 1):
        told("looking into our own", number)
        tally.decisions.append((own, policy.reason(own, rule, census.forked)))
    return tally


def remove(
    tally: Summary, *, codex: str | None, interrupt: Interrupt, tell: Tell,
    environment: Mapping[str, str] | None = None,
) -> Summary:  # fmt: skip
    """Remove what may go, oldest first, each looked at once more; what became of it is in the tally.

    A signal ends it between two sessions. Raises :class:`CodexMissing` where ``codex`` was given and is not there.
    """
    environment = os.environ if environment is None else environment
    rule = Policy(tally.codex_home, tally.older_than_sec, tally.keep_pictures)
    going = sorted(tally.prunable, key=lambda own: own.began)
    tally.dry_run = False
    remover = Remover(tally.codex_home, codex=codex, environment=environment, interrupt=interrupt)
    try:
        with remover:
            for number, own in enumerate(going, 1):
                interrupt.check()
                tell(f"removing {counted(len(going))}", number)
                _remove_one(remover, own, rule, tally)
    except Interrupted as error:
        done = f"interrupted when {len(tally.removed):,} of {counted(len(going))} were removed"
        tally.error = render.error_info(Interrupted(done, signum=error.exit_code - 128, hint="run it again to go on"))
    except CodexFailed as error:
        tally.error = render.error_info(error)
    else:
        tally.error = _failed(tally)
    if tally.removed and remover.by_hand:
        tally.warnings.append(Warning_("still-indexed", remover.by_hand))
    return tally


def _remove_one(remover: Remover, own: OwnSession, rule: Policy, tally: Summary) -> None:
    if policy.has_changed(own) or policy.is_running(own, rule.codex_home):
        at = next(index for index, (other, _) in enumerate(tally.decisions) if other is own)
        tally.decisions[at] = (own, "running")
        return
    try:
        remover.remove(own, keep_pictures=rule.keep_pictures)
    except Refused as error:
        refused = CodexFailed(f"Codex keeps {own.thread_id}: {error}", hint="is it open somewhere?")
        tally.failures.append((own, render.error_info(refused)))
    except OutUnwritable as error:
        tally.failures.append((own, render.error_info(error)))
    else:
        tally.removed.append(own)


def _failed(tally: Summary) -> ErrorInfo | None:
    if not tally.failures:
        return None
    first, tried = tally.failures[0][1], len(tally.failures) + len(tally.removed)
    told = f"{len(tally.failures):,} of {counted(tried)} could not be removed; the first: {first.message}"
    return replace(first, exit_code=1, message=told)


def _warnings(census: ScanResult) -> list[Warning_]:
    told = [
        Warning_("linked", f"{path!r} is a symbolic link: what is behind it is left alone") for path in census.linked
    ]
    if census.packed:
        packed = f"{counted(census.packed)} compressed: whose that is can't be told, and it is left alone"
        told.append(Warning_("compressed", packed))
    return told
