"""``codex-imagegen mcp``: the program as an MCP server for agents."""

from __future__ import annotations

import sys

import click

from codex_imagegen.cli import console
from codex_imagegen.codex.run import command as subcommand
from codex_imagegen.errors import UsageError
from codex_imagegen.mcp_server import settings

HELP = """Serve MCP on stdin and stdout: generate_image, edit_image, recover_image and doctor as tools of an agent.

It is started by the agent's host (docs/mcp.md has what to paste for each), and needs the extra:
pip install 'codex-imagegen[mcp]'.

\b
  codex-imagegen mcp --root ~/pictures

Pictures are written, and references read, in the folders given alone, whatever the model asks for, and links that lead
out of them are not followed. Which Codex runs, and whether calls may cost money (--backend runcomfy), is for you to
say here, not for the model.
"""


def mcp(
    *,
    roots: tuple[str, ...],
    ref_roots: tuple[str, ...],
    preview_kb: int,
    jobs: int,
    backends: tuple[str, ...],
    codex: str | None,
    codex_args: tuple[str, ...],
) -> int:
    """Serve until the client goes away; gives back the exit code."""
    subcommand.refuse_thread(codex_args, "the MCP server")
    allowed = settings.Settings(
        *settings.folders(roots, ref_roots),
        backends=settings.backends(backends),
        preview_kb=settings.at_least("--preview-kb", preview_kb, 0),
        jobs=settings.at_least("--jobs", jobs, 1),
        codex=codex,
        codex_args=codex_args,
    )
    if sys.stdin is None or sys.stdout is None:
        raise UsageError("the MCP server speaks on stdin and stdout, and one of them is closed", hint="leave them open")
    try:
        from codex_imagegen.mcp_server import server
    except ImportError as error:
        raise UsageError(
            f"the MCP server needs the MCP SDK, version 2 ({error})", hint="pip install 'codex-imagegen[mcp]'"
        ) from error
    if sys.stdin.isatty():
        console.err(
            "codex-imagegen: this speaks MCP, and is for an agent's host to start; see docs/mcp.md. Ctrl-C ends it."
        )
    with console.running() as interrupt:
        server.serve(allowed, interrupt, console.save_traceback)
        if interrupt.signum is not None:
            raise interrupt.error()
    return 0


command = click.Command(
    "mcp",
    params=[
        click.Option(
            ["--root", "roots"], multiple=True, metavar="DIR",
            help="A folder that pictures may be written to, and references read from. [the working folder]",
        ),
        click.Option(["--ref-root", "ref_roots"], multiple=True, metavar="DIR", help="One more for references only."),
        click.Option(
            ["--preview-kb"], type=int, default=settings.PREVIEW_KB, metavar="N",
            help="The preview in an answer, as base64; 0: none. [700]",
        ),
        click.Option(
            ["--jobs"], type=int, default=settings.JOBS, metavar="N",
            help="How many calls at once; others wait. [4]",
        ),
        click.Option(
            ["--backend", "backends"], multiple=True, metavar="codex|runcomfy",
            help="A way to a picture that calls may choose; the first is the default. [codex]",
        ),
        click.Option(["--codex"], metavar="FILE", help="Which Codex CLI to run. [codex on PATH]"),
        click.Option(["--codex-arg", "codex_args"], multiple=True, metavar="ARG", help="One more argument for it."),
    ],
    callback=mcp,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
