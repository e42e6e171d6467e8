"""``codex-imagegen doctor``: check everything that a picture needs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from codex_imagegen import render
from codex_imagegen.cli import console
from codex_imagegen.cli.options import Command, Option

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from codex_imagegen.doctor.findings import Finding
    from codex_imagegen.interrupt import Interrupt

BRIEF = """Check everything that a picture needs, and say what to do. Spends nothing, and takes a few seconds at most.

\b
  codex-imagegen doctor
  codex-imagegen doctor --live   after an update of Codex: a whole run
"""
HELP = f"""{BRIEF}
The output can be pasted into a bug report: it has no token, password, e-mail or user name, and shows the home folder
as ~.
"""
READS = """Reads names, sizes and times in CODEX_HOME (or ~/.codex); the five newest rollouts there, for records of a
kind that this version does not know; of config.toml the provider and whether it uses OpenAI's login; PATH and the
usual places of Codex, and whether Codex's other programs are next to it; the mode of RunComfy's token file, not its
content. Counts the pictures of the last 24 hours by the files that Codex saved. Asks Codex for its version, login,
features and what is left of your limits (codex --version, login status, features list, app-server): Codex asks OpenAI,
which spends nothing, keeps its credentials to itself, and may write its own files in CODEX_HOME, as at every start.
Tests write access beside the rollouts and leaves no file. With --live, Codex makes a picture in a temporary CODEX_HOME
with a fake OpenAI server on loopback.
"""
_STYLES = {"ok": "green", "warning": "black on yellow", "failed": "bold white on red", "unknown": "reverse"}
_MARK_WIDTH = 4
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
        console.print_error(render.error_info(result.error), silent=not json_wanted and console.shares_terminal())
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

    terminal = Console(highlight=False)
    is_narrow = terminal.width < _NARROW
    indent = _MARK_WIDTH + 2 + (0 if is_narrow else name_width + 2)
    try:
        for is_command, row in _rows(finding, None if is_narrow else name_width):
            if is_command:  # never cut, so that it can be copied
                left = indent + 3 if indent + 3 + len(row) <= terminal.width else 2
                terminal.print(" " * left + row, markup=False, no_wrap=True, overflow="ignore", crop=False)
            else:
                terminal.print(row)
    except UnicodeEncodeError:  # a path with letters that this terminal's encoding lacks
        from codex_imagegen.doctor import report

        console.out(report.format_line(finding, name_width).encode("ascii", "replace").decode())


def _rows(finding: Finding, name_width: int | None) -> Iterator[tuple[bool, Any]]:
    """Yield tables with text and, between them, commands, each with whether it is a command.

    The name has a column of its own, or a line above the message if ``name_width`` is None.
    """
    from rich.text import Text

    from codex_imagegen.doctor import report

    mark, name = Text(report.MARKS[finding.status], style=_STYLES[finding.status]), Text(finding.name, style="bold")
    text = Text(finding.message)
    if name_width is None:
        text = Text.assemble(name, "\n", text)
    for is_command, part in render.hint_parts(finding.hint or ""):
        if not is_command:
            text.append("\n" if text else "").append(f"-> {part}", style="italic")
            continue
        if text:
            yield False, _table(mark, name, text, name_width)
            mark, name, text = Text(), Text(), Text()
        yield True, part
    if text:
        yield False, _table(mark, name, text, name_width)


def _table(mark: Text, name: Text, text: Text, name_width: int | None) -> Table:
    """Return one row: the mark, the name if it has a column, and the text, which is wrapped in its column."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=_MARK_WIDTH)
    if name_width is not None:
        table.add_column(width=name_width)
    table.add_column(ratio=1, overflow="fold")
    table.add_row(*((mark, text) if name_width is None else (mark, name, text)))
    return table


command = Command(
    "doctor",
    params=[
        Option(["--live"], is_flag=True, help="Test Codex by a whole run with a fake server; spends nothing."),
        Option(["--codex"], metavar="FILE", help="Which Codex CLI to check. [codex on PATH]"),
        Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
    ],
    callback=doctor,
    brief=BRIEF,
    help=HELP,
    epilog=READS,
)
