"""``codex-imagegen doctor``: check everything that a picture needs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.options import Command, Option

if TYPE_CHECKING:
    from codex_imagegen.doctor.findings import Finding
    from codex_imagegen.interrupt import Interrupt

HELP = """Check everything that a picture needs, and say what to do. Spends nothing, and takes a few seconds at most.

\b
  codex-imagegen doctor
  codex-imagegen doctor --live   after an update of Codex: a whole run

The output can be pasted into a bug report: it has no token, password, e-mail or user name, and shows the home folder
as ~.

Reads names, sizes and times in CODEX_HOME (or ~/.codex); the five newest rollouts there, for records of a kind that
this version does not know; of config.toml the provider and whether it uses OpenAI's login; PATH and the usual places of
Codex, and whether Codex's other programs are next to it; the mode of RunComfy's token file, not its content. Counts the
pictures of the last 24 hours by the files that Codex saved. Asks Codex for its version, login, features and what is
left of your limits (codex --version, login status, features list, app-server): Codex asks OpenAI, which spends nothing,
keeps its credentials to itself, and may write its own files in CODEX_HOME, as at every start. Tests write access beside
the rollouts and leaves no file. With --live, Codex makes a picture in a temporary CODEX_HOME with a fake OpenAI server
on loopback.
"""
_STYLES = {"ok": "green", "warning": "black on yellow", "failed": "bold white on red", "unknown": "reverse"}
_NARROW = 60
"""Columns of a terminal below which a check's name gets a line of its own."""


def doctor(*, live: bool, codex: str | None, json_wanted: bool) -> int:
    """Run the checks and print them; returns the exit code that a run would fail with first."""
    from codex_imagegen.doctor import report
    from codex_imagegen.doctor.checks_system import versions_with_codex
    from codex_imagegen.doctor.context import Context
    from codex_imagegen.doctor.findings import Report
    from codex_imagegen.doctor.runner import CHECKS, LIVE, run_checks

    started = time.monotonic()
    checks = (*CHECKS, LIVE) if live else CHECKS
    with _interrupt(live) as interrupt, contextlib.closing(run_checks(Context(codex, interrupt), checks)) as running:
        findings = tuple(running if json_wanted else _print_each(running, max(len(check.name) for check in checks)))
    result = Report(findings, versions_with_codex(findings[0].data["version"]), time.monotonic() - started)
    console.out(report.to_json(result) if json_wanted else report.format_summary(findings))
    if result.error is not None:
        console.print_error(render.error_info(result.error))
    return 0 if result.error is None else result.error.exit_code


@contextlib.contextmanager
def _interrupt(live: bool) -> Iterator[Interrupt]:
    """A context with a flag for signals: with ``--live`` a first one lets the run clean up, else it exits at once."""
    from codex_imagegen.interrupt import Interrupt

    if live:
        with console.defer_signals() as interrupt:
            yield interrupt
    else:
        yield Interrupt()


def _print_each(findings: Iterable[Finding], name_width: int) -> Iterator[Finding]:
    """Print each finding as it comes, and yield it."""
    from codex_imagegen.doctor import report

    terminal = sys.stdout is not None and sys.stdout.isatty()
    for finding in findings:
        if terminal:
            _print_to_terminal(finding, name_width)
        else:
            console.out(report.format_line(finding, name_width))
        yield finding


def _print_to_terminal(finding: Finding, name_width: int) -> None:
    """Print a check wrapped in its column, with a coloured mark and the hint on lines of its own."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from codex_imagegen.doctor import report

    terminal = Console(highlight=False)
    narrow = terminal.width < _NARROW
    message = Text(overflow="fold")
    if narrow:
        message.append(f"{finding.name}\n", style="bold")
    message.append(finding.message)
    if finding.hint:
        message.append(f"\n-> {finding.hint}", style="italic")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=4)
    if not narrow:
        table.add_column(width=name_width)
    table.add_column(ratio=1, overflow="fold")
    mark = Text(report.MARKS[finding.status], style=_STYLES[finding.status])
    table.add_row(*(mark, message) if narrow else (mark, Text(finding.name, style="bold"), message))
    try:
        terminal.print(table)
    except UnicodeEncodeError:  # a path with letters that this terminal's encoding lacks
        console.out(report.format_line(finding, name_width).encode("ascii", "replace").decode())


command = Command(
    "doctor",
    params=[
        Option(["--live"], is_flag=True, help="Test Codex by a whole run on a fake server; spends nothing."),
        Option(["--codex"], metavar="FILE", help="Which Codex CLI to check. [codex on PATH]"),
        Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
    ],
    callback=doctor,
    help=HELP,
)
