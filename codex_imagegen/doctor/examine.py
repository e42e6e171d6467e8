"""The examination: every check at once, each in a thread and a time of its own, reported in their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from codex_imagegen.codex import process
from codex_imagegen.doctor.checks import Check
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.finding import Finding, failed, unknown
from codex_imagegen.doctor.redact import Redact
from codex_imagegen.errors import CodexMissing, ImagegenError


def examine(context: Context, checks: Sequence[Check]) -> Iterator[Finding]:
    """Every check's finding, cleaned of what is nobody's business; raises :class:`Interrupted` where somebody asked."""
    redact = Redact(context.environment)
    began = [_Examination(check, context) for check in checks]
    try:
        for one in began:
            finding = one.finding()
            context.interrupt.check()
            yield redact.finding(finding)
    finally:
        process.kill_all()


class _Examination:
    """One check at work. Its thread is a daemon: a file system that never answers must not keep us."""

    def __init__(self, check: Check, context: Context) -> None:
        self._check, self._context = check, context
        self._finding: Finding | None = None
        self._deadline = time.monotonic() + check.limit_sec
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def finding(self) -> Finding:
        """What was found within the check's time, with its name and all its keys."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        found = self._finding or unknown(f"no answer within {self._check.limit_sec:.0f} s")
        return replace(found, name=self._check.name, data={key: found.data.get(key) for key in self._check.keys})

    def _look(self) -> None:
        try:
            self._finding = self._check.look(self._context)
        except CodexMissing:
            self._finding = unknown("there is no Codex to ask")
        except ImagegenError as error:
            self._finding = failed(error)
        except Exception as error:  # noqa: BLE001 - one check's defect must not hide what the others found
            self._finding = unknown(f"a defect of this check: {type(error).__name__}", "please report it")
