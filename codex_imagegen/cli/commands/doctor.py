"""``codex-imagegen doctor``: is everything there that a picture needs?"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from codex_imagegen import render
from codex_imagegen.cli import console

if TYPE_CHECKING:
    from codex_imagegen.doctor.findings import Finding
    from codex_imagegen.interrupt import Interrupt

HELP = """Look at everything that a picture needs, and say what to do: free of charge, in a few seconds at most.

\b
  codex-imagegen doctor
  codex-imagegen doctor --live   after an update of Codex: a whole run

It can be pasted into a bug report: no token, no password, no e-mail, no user name is in it, and the home folder is ~.

What is read: names, sizes and times in CODEX_HOME (or ~/.codex); the five newest rollouts there, for records of a kind
that this version does not know; of config.toml the provider and whether OpenAI's login goes to it; PATH and the usual
places of a Codex, and whether its parts lie beside it; the mode of RunComfy's token file, not its content. Pictures of
the last 24 hours are counted by the files that Codex saved. Codex itself is asked for its version, its login, its
features and what is left of your limits (codex --version, login status, features list, app-server): it asks OpenAI,
which spends nothing, and keeps its credentials to itself; it may write its own files in CODEX_HOME, as at every start.
That a file can be made beside the rollouts is tried, and leaves none. With --live, Codex makes a picture in a
throw-away CODEX_HOME, with a stand-in for OpenAI on loopback.
"""
_STYLES = {"ok": "green", "warning": "black on yellow", "failed": "bold white on red", "unknown": "reverse"}
_NARROW = 60
"""Columns of a terminal below which a check's name has a line of its own."""


def doctor(*, live: bool, codex: str | None, json_wanted: bool) -> int:
    """Examine, print, and give back the exit code of what a run would fail with first."""
    from codex_imagegen.doctor import report
    from codex_imagegen.doctor.checks_system import versions_beside
    from codex_imagegen.doctor.context import Context
    from codex_imagegen.doctor.findings import Report
    from codex_imagegen.doctor.runner import CHECKS, LIVE, run_checks

    began = time.monotonic()
    checks = (*CHECKS, LIVE) if live else CHECKS
    with _interrupt(live) as interrupt, contextlib.closing(run_checks(Context(codex, interrupt), checks)) as found:
        findings = tuple(found if json_wanted else _shown(found, max(len(check.name) for check in checks)))
    done = Report(findings, versions_beside(findings[0].data["version"]), time.monotonic() - began)
    console.out(report.to_json(done) if json_wanted else report.summary(findings))
    if done.error is not None:
        console.sentence(render.error_info(done.error))
    return 0 if done.error is None else done.error.exit_code


@contextlib.contextmanager
def _interrupt(live: bool) -> Iterator[Interrupt]:
    """A flag for signals: with ``--live`` a first one lets the run clean up, else it ends us at once."""
    from codex_imagegen.interrupt import Interrupt

    if live:
        with console.running() as interrupt:
            yield interrupt
    else:
        yield Interrupt()


def _shown(found: Iterable[Finding], name_width: int) -> Iterator[Finding]:
    """Each finding, printed as it comes."""
    from codex_imagegen.doctor import report

    terminal = sys.stdout is not None and sys.stdout.isatty()
    for finding in found:
        if terminal:
            _print(finding, name_width)
        else:
            console.out(report.line(finding, name_width))
        yield finding


def _print(finding: Finding, name_width: int) -> None:
    """One check for a terminal: wrapped under itself, the mark in colour, the hint on lines of its own."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from codex_imagegen.doctor import report

    console_ = Console(highlight=False)
    narrow = console_.width < _NARROW
    told = Text(overflow="fold")
    if narrow:
        told.append(f"{finding.name}\n", style="bold")
    told.append(finding.message)
    if finding.hint:
        told.append(f"\n-> {finding.hint}", style="italic")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=4)
    if not narrow:
        table.add_column(width=name_width)
    table.add_column(ratio=1, overflow="fold")
    mark = Text(report.MARKS[finding.status], style=_STYLES[finding.status])
    table.add_row(*(mark, told) if narrow else (mark, Text(finding.name, style="bold"), told))
    try:
        console_.print(table)
    except UnicodeEncodeError:  # a path in letters that this terminal has not
        console.out(report.line(finding, name_width).encode("ascii", "replace").decode())


command = click.Command(
    "doctor",
    params=[
        click.Option(["--live"], is_flag=True, help="Prove Codex by a whole run on a stand-in; spends nothing."),
        click.Option(["--codex"], metavar="FILE", help="Which Codex CLI to look at. [codex on PATH]"),
        click.Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
    ],
    callback=doctor,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
