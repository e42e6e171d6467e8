"""Run all checks concurrently and report their findings in order.

The checks are ordered as a run would fail: the first failed check names the error that a run would end with.
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
from codex_imagegen.doctor.checks_home import check_disk_space, check_file_events, check_home, check_rollouts
from codex_imagegen.doctor.checks_system import check_clock, check_dependencies, check_runcomfy
from codex_imagegen.doctor.context import Context
from codex_imagegen.doctor.findings import Finding, failed, unknown
from codex_imagegen.doctor.report import Redactor
from codex_imagegen.errors import CodexMissing, ImagegenError, Interrupted

TIMEOUT_SEC = 8.0
"""Seconds for one check: more than Codex gets for an answer, for a file system that does not respond."""

SHUTDOWN_SEC = 2.0
"""Seconds for checks that are still running at the end."""

_PAUSE_SEC = 0.02


@dataclass(frozen=True)
class Check:
    """A check: its public name, its function, the keys that its data always has, and its timeout in seconds."""

    name: str
    run: Callable[[Context], Finding]
    keys: tuple[str, ...] = ()
    timeout_sec: float = TIMEOUT_SEC


CHECKS = (
    Check("codex", check_codex, ("path", "version", "others")),
    Check("login", check_login, ("login", "plan")),
    Check("image-tool", check_image_tool, ("feature", "provider")),
    Check("limits", check_limits, ("limits", "pictures_last_day")),
    Check("home", check_home, ("path", "file_system")),
    Check("file-events", check_file_events, ("notified",)),
    Check("rollouts", check_rollouts, ("looked_at", "codex_versions", "unrecognized")),
    Check(
        "space",
        check_disk_space,
        ("free_bytes", "rollouts", "rollout_bytes", "pictures", "picture_bytes", "counted_all"),
    ),
    Check("clock", check_clock, ("year", "skew_sec")),
    Check("runcomfy", check_runcomfy, ("source", "path", "mode")),
    Check("dependencies", check_dependencies),
)

LIVE = Check("live", check_live, ("elapsed_sec",), LIVE_SEC + TIMEOUT_SEC)
"""The last check, run with ``--live`` only."""


def run_checks(context: Context, checks: Sequence[Check]) -> Generator[Finding]:
    """Run the checks and yield their findings in order, without private data. The caller closes the generator.

    Raises :class:`Interrupted` on an interrupt.
    """
    redactor = Redactor(context.environment)
    wake = WakeEvent()
    threads = [_CheckThread(check, context, wake) for check in checks]
    context.interrupt.on_set(wake.set)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            finding = thread.wait()
            if context.interrupt.signum is not None:
                raise Interrupted("interrupted", signum=context.interrupt.signum, hint="run it again")
            yield redactor.redact(finding)
    finally:
        _stop(threads)


def _stop(threads: Sequence[_CheckThread]) -> None:
    """Stop running checks: a check whose Codex is killed may start another one, so kill repeatedly."""
    deadline = time.monotonic() + SHUTDOWN_SEC
    while any(thread.is_running for thread in threads) and time.monotonic() < deadline:
        process.kill_all()
        time.sleep(_PAUSE_SEC)


class _CheckThread:
    """Runs one check in a daemon thread, so that a file system that never answers cannot keep the program alive."""

    def __init__(self, check: Check, context: Context, wake: WakeEvent) -> None:
        self._check, self._context, self._wake = check, context, wake
        self._finding: Finding | None = None
        self._deadline = time.monotonic() + check.timeout_sec
        self.is_running = False

    def start(self) -> None:
        """Start the check."""
        self.is_running = True  # set before the start: a signal may arrive in between, and no thread may be missed
        threading.Thread(target=self._run, daemon=True).start()

    def wait(self) -> Finding:
        """Wait for the finding until the check's timeout; returns it with the check's name and all its keys."""
        while self._finding is None and self._context.interrupt.signum is None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                break
            self._wake.wait(left)
        finding = self._finding or unknown(f"no answer within {self._check.timeout_sec:.0f} s")
        return replace(finding, name=self._check.name, data={key: finding.data.get(key) for key in self._check.keys})

    def _run(self) -> None:
        self._finding = self._find()
        self.is_running = False
        self._wake.set()

    def _find(self) -> Finding:
        try:
            return self._check.run(self._context)
        except CodexMissing:
            return unknown("not checked, as no Codex was found")
        except ImagegenError as error:
            return failed(error)
        except Exception as error:  # noqa: BLE001 - an error in one check must not hide the other findings
            return unknown(f"internal error in this check: {type(error).__name__}", "please report it")
