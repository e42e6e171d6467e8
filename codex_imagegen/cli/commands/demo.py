"""``codex-imagegen demo``: the whole bridge, with no account, no quota and no network."""

from __future__ import annotations

import click

from codex_imagegen.cli import console
from codex_imagegen.cli.options import events_option
from codex_imagegen.cli.progress import Progress
from codex_imagegen.errors import UsageError
from codex_imagegen.request import STDOUT, Request

HELP = """See the whole bridge work: no account, no quota, no network.

A stand-in for OpenAI runs on loopback and draws a landscape out of the prompt. The real Codex talks to it if there is
one on PATH or behind --codex; if not, an understudy plays its part. Everything happens in a throw-away CODEX_HOME:
~/.codex is not touched.
"""


def demo(
    *, prompt: str | None, out: str | None, force: bool, codex: str | None, json_wanted: bool, quiet: bool, show: bool
) -> int:
    """Make the demonstration's picture and print where it is."""
    from codex_imagegen.demo.run import PROMPT
    from codex_imagegen.demo.run import run_demo as play

    if json_wanted and out == STDOUT:
        raise UsageError("--json and --out - both want stdout", hint="give --out a file name")
    request = Request(prompt=PROMPT if prompt is None else prompt, out=out, force=force, codex=codex)
    with console.running(to_the_end=True) as interrupt, Progress(quiet=quiet) as progress:
        done = play(request, interrupt=interrupt, tell=progress.tell, announce=console.err)
    return console.result(done, json_wanted=json_wanted, show=show)


command = click.Command(
    "demo",
    params=[
        click.Option(["-p", "--prompt"], metavar="TEXT", help="What to draw: any words give some hills."),
        click.Option(["-o", "--out"], metavar="FILE", help="Where the picture goes. [image-<time>.png]"),
        click.Option(["--force"], is_flag=True, help="Replace --out if it is there already."),
        click.Option(["--show"], is_flag=True, help="Show the picture in the terminal, too."),
        click.Option(["--codex"], metavar="FILE", help="Which Codex CLI to run. [codex on PATH]"),
        click.Option(["--json", "json_wanted"], is_flag=True, help="Print one JSON object on stdout."),
        events_option(),
        click.Option(["-q", "--quiet"], is_flag=True, help="Show no progress."),
    ],
    callback=demo,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
