"""``codex-imagegen mcp``: the program as an MCP server for agents."""

from __future__ import annotations

import sys

from codex_imagegen.cli import console
from codex_imagegen.cli.options import Command, Option
from codex_imagegen.codex.run import command as codex_command
from codex_imagegen.errors import UsageError
from codex_imagegen.mcp_server import settings

BRIEF = """Serve MCP on stdin and stdout, with the tools generate_image, edit_image, recover_image and doctor.

\b
  codex-imagegen mcp --root ~/pictures
"""
HELP = f"""{BRIEF}
The agent's host starts this command (docs/mcp.md has the configuration for each). It needs an extra:
pip install 'codex-imagegen[mcp]'.

Whatever the model asks for, the server writes pictures and reads references only in the given folders, and follows no
links out of them. You decide here, not the model, which Codex runs and whether calls may cost money (--backend
runcomfy).
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
    """Serve until the client disconnects; returns the exit code."""
    codex_command.refuse_resume(codex_args, "the MCP server")
    allowed = settings.Settings(
        *settings.resolve_folders(roots, ref_roots),
        backends=settings.check_backends(backends),
        preview_kb=settings.check_minimum("--preview-kb", preview_kb, 0),
        jobs=settings.check_minimum("--jobs", jobs, 1),
        codex=codex,
        codex_args=codex_args,
    )
    if sys.stdin is None or sys.stdout is None:
        raise UsageError("the MCP server needs stdin and stdout, and one of them is closed", hint="leave them open")
    try:
        from codex_imagegen.mcp_server import server
    except ImportError as error:
        raise UsageError(
            f"the MCP server needs the MCP SDK, version 2 ({error})",
            hint="install it, such as with:\npip install 'codex-imagegen[mcp]'",
        ) from error
    if sys.stdin.isatty():
        console.say("this is an MCP server for an agent's host to start; see docs/mcp.md. Ctrl-C ends it.")
    with console.defer_signals() as interrupt:
        server.serve(allowed, interrupt, console.save_traceback)
        if interrupt.signum is not None:
            raise interrupt.error()
    return 0


command = Command(
    "mcp",
    params=[
        Option(
            ["--root", "roots"], multiple=True, metavar="DIR",
            help="A folder for pictures and references. [the working folder]",
        ),
        Option(["--ref-root", "ref_roots"], multiple=True, metavar="DIR", help="One more folder for references only."),
        Option(
            ["--preview-kb"], type=int, default=settings.PREVIEW_KB, metavar="N",
            help="Limit of a preview, kB of base64; 0: none. [700]",
        ),
        Option(
            ["--jobs"], type=int, default=settings.JOBS, metavar="N",
            help="How many calls run at once; others wait. [4]",
        ),
        Option(
            ["--backend", "backends"], multiple=True, metavar="codex|runcomfy",
            help="A service that calls may choose; the first is the default. [codex]",
        ),
        Option(["--codex"], metavar="FILE", help="Which Codex CLI to run. [codex on PATH]"),
        Option(["--codex-arg", "codex_args"], multiple=True, metavar="ARG", help="One more argument for codex exec."),
    ],
    callback=mcp,
    brief=BRIEF,
    help=HELP,
)  # fmt: skip
