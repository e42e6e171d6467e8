"""The examination: every check at once, each in a thread and a time of its own, reported in their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import replace

from codex_imagegen.codex.run import process
from codex_imagegen.codex.run.wake import Wake
from codex_imagegen.doctor.checks import Check
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, unknown
from codex_imagegen.doctor.redact import Redact
from codex_imagegen.errors import CodexMissing, ImagegenError, Interrupted

END_SEC = 2.0
"""Seconds that are given, at the end, to checks that are still at work."""

_PAUSE_SEC = 0.02


def examine(context: Context, checks: Sequence[Check]) -> Generator[Finding]:
    """Every check's finding, cleaned of what is nobody's business; to be closed by whoever takes them.

    Raises :class:`Interrupted` when somebody asks to stop.
    """
    redact = Redact(context.environment)
    wake = Wake()
    examinations = [_Examination(check, context, wake) for check in checks]
    context.interrupt.on_set(wake.ring)
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

    def __init__(self, check: Check, context: Context, wake: Wake) -> None:
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
            self._wake.sleep(left)
        found = self._finding or unknown(f"no answer within {self._check.limit_sec:.0f} s")
        return replace(found, name=self._check.name, data={key: found.data.get(key) for key in self._check.keys})

    def _run(self) -> None:
        self._finding = self._look()
        self.at_work = False
        self._wake.ring()

    def _look(self) -> Finding:
        try:
            return self._check.look(self._context)
        except CodexMissing:
            return unknown("there is no Codex to ask")
        except ImagegenError as error:
            return failed(error)
        except Exception as error:  # noqa: BLE001 - one check's defect must not hide what the others found
            return unknown(f"a defect of this check: {type(error).__name__}", "please report it")
