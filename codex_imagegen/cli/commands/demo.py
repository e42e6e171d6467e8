"""``codex-imagegen demo``: the whole program, with no account, no quota and no network."""

from __future__ import annotations

from typing import Any

from codex_imagegen.cli import console
from codex_imagegen.cli.options import Command, Option, check_stdout, events_option
from codex_imagegen.cli.progress import RequestProgress, print_result
from codex_imagegen.request import Request

HELP = """Try the whole program with no account, no quota and no network.

A fake OpenAI server on loopback draws a landscape from the prompt. The Codex on PATH, or that of --codex, talks to it;
without one, a fake Codex does. Everything happens in a temporary CODEX_HOME: ~/.codex is not touched.
"""


def demo(*, json_wanted: bool, quiet: bool, show: bool, open_wanted: bool, prompt: str | None, **options: Any) -> int:
    """Make the demo's picture and print its path; returns the exit code."""
    from codex_imagegen.demo.sandbox import PROMPT, run_demo

    check_stdout(options["out"], json_wanted)
    request = Request(prompt=PROMPT if prompt is None else prompt, **options)
    with console.defer_signals(until_exit=True) as interrupt, RequestProgress(request, quiet=quiet) as progress:
        result = run_demo(request, interrupt=interrupt, on_event=progress.show, announce=console.err)
    return print_result(result, json_wanted=json_wanted, show=show, open_wanted=open_wanted, progress=progress)


command = Command(
    "demo",
    params=[
        Option(["-p", "--prompt"], metavar="TEXT", help="What to draw: hills that differ with the text."),
        Option(["-o", "--out"], metavar="FILE", help="File or folder; - is stdout. [named after the prompt]"),
        Option(["--force"], is_flag=True, help="Replace the file if it exists."),
        Option(["--show"], is_flag=True, help="Show the picture in this terminal, too."),
        Option(["--open", "open_wanted"], is_flag=True, help="Open the picture in the system's viewer."),
        Option(["--codex"], metavar="FILE", help="Which Codex CLI to run. [codex on PATH]"),
        Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
        events_option(),
        Option(["-q", "--quiet"], is_flag=True, help="Show no progress."),
    ],
    callback=demo,
    help=HELP,
)
