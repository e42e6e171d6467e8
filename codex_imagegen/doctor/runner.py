"""The examination: every check at once, each in a thread and a time of its own, reported in their order.

Every check, in the order of the report: what comes first is what a run would fail with first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace

from codex_imagegen.codex import process
from codex_imagegen.codex.run.wake import WakeEvent
from codex_imagegen.doctor.checks_codex import (
    LIVE_SEC,
    check_codex,
    check_image_tool,
    check_limits,
    check_live,
    check_login,
)
from codex_imagegen.doctor.checks_home import check_home, check_rollouts, check_space, check_wake_ups
from codex_imagegen.doctor.checks_system import check_clock, check_parts, check_runcomfy
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, unknown
from codex_imagegen.doctor.report import Redact
from codex_imagegen.errors import CodexMissing, ImagegenError, Interrupted

END_SEC = 2.0
"""Seconds that are given, at the end, to checks that are still at work."""

_PAUSE_SEC = 0.02


def run_checks(context: Context, checks: Sequence[Check]) -> Generator[Finding]:
    """Every check's finding, cleaned of what is nobody's business; to be closed by whoever takes them.

    Raises :class:`Interrupted` when somebody asks to stop.
    """
    redact = Redact(context.environment)
    wake = WakeEvent()
    examinations = [_Examination(check, context, wake) for check in checks]
    context.interrupt.on_set(wake.set)
    try:
        for one in examinations:
            one.begin()
        for one in examinations:
            finding = one.finding()
            if context.interrupt.signum is not None:
                raise Interrupted("interrupted", signum=context.interrupt.signum, hint="run it again")
            yield redact.finding(finding)
    finally:
        _end(examinations)


def _end(examinations: Sequence[_Examination]) -> None:
    """End what is still at work: a check whose Codex is killed may start another, before it hears of it."""
    deadline = time.monotonic() + END_SEC
    while any(one.at_work for one in examinations) and time.monotonic() < deadline:
        process.kill_all()
        time.sleep(_PAUSE_SEC)


class _Examination:
    """One check at work. Its thread is a daemon: a file system that never answers must not keep us."""

    def __init__(self, check: Check, context: Context, wake: WakeEvent) -> None:
        self._check, self._context, self._wake = check, context, wake
        self._finding: Finding | None = None
        self._deadline = time.monotonic() + check.limit_sec
        self.at_work = False

    def begin(self) -> None:
        """Start to look."""
        self.at_work = True  # before it is true: a signal may fall in between, and nobody may be forgotten
        threading.Thread(target=self._run, daemon=True).start()

    def finding(self) -> Finding:
        """What was found within the check's time, with its name and all its keys."""
        while self._finding is None and self._context.interrupt.signum is None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                break
            self._wake.wait(left)
        found = self._finding or unknown(f"no answer within {self._check.limit_sec:.0f} s")
        return replace(found, name=self._check.name, data={key: found.data.get(key) for key in self._check.keys})

    def _run(self) -> None:
        self._finding = self._look()
        self.at_work = False
        self._wake.set()

    def _look(self) -> Finding:
        try:
            return self._check.look(self._context)
        except CodexMissing:
            return unknown("there is no Codex to ask")
        except ImagegenError as error:
            return failed(error)
        except Exception as error:  # noqa: BLE001 - one check's defect must not hide what the others found
            return unknown(f"a defect of this check: {type(error).__name__}", "please report it")


LIMIT_SEC = 8.0
"""Seconds after which a check is left alone: more than Codex is given, for a file system that does not answer."""


@dataclass(frozen=True)
class Check:
    """A name that is promised, a function, the keys of its data (each is always there), and its time in seconds."""

    name: str
    look: Callable[[Context], Finding]
    keys: tuple[str, ...] = ()
    limit_sec: float = LIMIT_SEC


CHECKS = (
    Check("codex", check_codex, ("path", "version", "others")),
    Check("login", check_login, ("login", "plan")),
    Check("image-tool", check_image_tool, ("feature", "provider")),
    Check("limits", check_limits, ("limits", "pictures_last_day")),
    Check("home", check_home, ("path", "file_system")),
    Check("file-events", check_wake_ups, ("notified",)),
    Check("rollouts", check_rollouts, ("looked_at", "codex_versions", "unrecognized")),
    Check(
        "space",
        check_space,
        ("free_bytes", "rollouts", "rollout_bytes", "pictures", "picture_bytes", "counted_all"),
    ),
    Check("clock", check_clock, ("year", "skew_sec")),
    Check("runcomfy", check_runcomfy, ("source", "path", "mode")),
    Check("dependencies", check_parts),
)

LIVE = Check("live", check_live, ("elapsed_sec",), LIVE_SEC + LIMIT_SEC)
"""The last one, where it is asked for."""
