"""``codex-imagegen [generate]``: the default command."""

from __future__ import annotations

import sys

import click

from codex_imagegen.cli import console
from codex_imagegen.cli.help import DefaultCommand
from codex_imagegen.errors import UsageError
from codex_imagegen.model import DEFAULT_TIMEOUT_SEC, STDOUT, Request

_MAX_PROMPT_BYTES = 8 * 1024 * 1024


@click.command(cls=DefaultCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-p", "--prompt", metavar="TEXT", help="What to draw, sent word for word; - reads stdin.")
@click.option("--prompt-file", metavar="FILE", help="Read the prompt from a file; - reads stdin.")
@click.option("-r", "--ref", "refs", multiple=True, metavar="FILE", help="A reference: PNG, JPEG or WebP. Repeatable, at most 5.")
@click.option("-o", "--out", metavar="FILE", help="Where the picture goes: .png, .jpg or .webp; - is stdout.  [default: image-<time>.png]")
@click.option("--timeout-sec", type=float, default=DEFAULT_TIMEOUT_SEC, metavar="N", help="Seconds for the whole run.  [default: 300]")
@click.option("--force", is_flag=True, help="Replace --out if it is there already.")
@click.option("--full-turn", is_flag=True, help="Let Codex end its turn; the largest picture that it made wins.")
@click.option("--codex", metavar="FILE", help="Which Codex CLI to run.  [default: codex on PATH]")
@click.option("-m", "--model", metavar="NAME", help="Which model drives the tool.  [default: Codex's own]")
@click.option("--codex-arg", "codex_args", multiple=True, metavar="ARG", help="One more argument for codex exec. Repeatable.")
@click.option("--json", "json_wanted", is_flag=True, help="Print one JSON object on stdout, also when the run fails.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@click.option("-v", "--verbose", is_flag=True, help="Show Codex's own words on stderr.")
@click.version_option(package_name=None, version="", expose_value=False)
def command(**options: object) -> int:
    """Make a picture with the ChatGPT plan that the Codex CLI is logged in with."""
    raise NotImplementedError
