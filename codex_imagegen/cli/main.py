"""The command line as a click group, and the boundary where every error becomes one sentence and an exit code."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import click

from codex_imagegen.cli import console
from codex_imagegen.cli.options import COMPLETION, OPTION, PROGRAM, check_dashes, options_with_value, read_words
from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.platform import system

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS = {
    "generate": ("codex_imagegen.cli.commands.generate", "make a picture (the default: the word can be left out)"),
    "batch": ("codex_imagegen.cli.commands.batch", "make many pictures; resume where a run was cut off"),
    "recover": ("codex_imagegen.cli.commands.recover", "extract pictures from past sessions; spends nothing"),
    "gallery": ("codex_imagegen.cli.commands.gallery", "build one page of every picture that was made"),
    "doctor": ("codex_imagegen.cli.commands.doctor", "check everything that a picture needs; spends nothing"),
    "prune": ("codex_imagegen.cli.commands.prune", "show the disk use of past runs, and remove old ones"),
    "demo": ("codex_imagegen.cli.commands.demo", "try the whole program with no account and no network"),
    "schema": ("codex_imagegen.cli.commands.schema", "print the JSON Schema of what --json and --events print"),
    "mcp": ("codex_imagegen.cli.commands.mcp", "serve the program to agents as an MCP server"),
    "runcomfy": ("codex_imagegen.cli.commands.runcomfy", "sign in to RunComfy, and follow its long jobs"),
    "skill": ("codex_imagegen.cli.commands.skill", "print or install the instructions for agents"),
    "completion": ("codex_imagegen.cli.commands.completion", "print the completion script for bash, zsh or fish"),
}
"""Each command's module, which is imported when the command is called, and its line of help."""

DEFAULT = "generate"

_MAKES_PICTURES = {"generate", "batch", "demo"}
_PRINTED_BY_CLICK = {"-h", "--help", "--version"}


class CommandLine(click.Group):
    """The group of all commands, imported lazily. Without a command's name, the default command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names without importing anything."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert the name of the default command if the arguments begin with none."""
        ctx.meta["has_arguments"] = bool(args)
        if _names_command(args):
            return super().parse_args(ctx, args)
        if _begins_with_word(args) and not ctx.resilient_parsing:
            from codex_imagegen.cli import arguments

            arguments.refuse_command(args, load(DEFAULT), COMMANDS)
        return super().parse_args(ctx, [DEFAULT, *args])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands for the default command's page."""
        with formatter.section("Other commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items() if name != DEFAULT])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Complete a command's name without importing the command."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]


def load(name: str) -> click.Command:
    """Import a command by its name."""
    command: click.Command = import_module(COMMANDS[name][0]).command
    return command


def run(argv: Sequence[str], *, exits: bool = False) -> int:
    """Run one command line and return its exit code; raises nothing.

    With ``exits`` the process exits with that code next, also on a signal.
    """
    if exits:  # this process is ours: what Pillow warns of, such as odd metadata, is of no use to a person
        warnings.filterwarnings("ignore", module=r"PIL\.")
    started, args = time.monotonic(), list(argv)
    name = args[0] if _names_command(args) else DEFAULT
    try:
        json_wanted, events = _find_flags(("--json", "--events"), load(name), args)
    except Exception as error:  # noqa: BLE001 - a command that can't even be imported
        return console.internal_error(error, json_wanted="--json" in args, started=started)
    with (
        console.stderr_as_events(events, started),
        console.handle_signals(json_wanted=json_wanted, started=started, makes_pictures=name in _MAKES_PICTURES),
    ):
        try:
            code = _run_guarded(name, args, json_wanted, started)
        except ImagegenError as error:  # a signal between a failure and its message
            code = console.print_failure(error, json_wanted=json_wanted, started=started)
        if exits:
            console.exit_on_signals(code)
        return code


def _run_guarded(name: str, args: list[str], json_wanted: bool, started: float) -> int:
    try:
        if system.is_windows():
            raise UsageError("Windows is not supported", hint="run it inside WSL")
        instruction = os.environ.get(COMPLETION)
        return console.finish(_complete(instruction) if instruction else _call(args))
    except ImagegenError as error:
        if name == "runcomfy":
            error.backend = name
        error.is_dry_run |= _find_flags(("--dry-run",), load(name), args)[0]
        return console.print_failure(error, json_wanted=json_wanted, started=started)
    except KeyboardInterrupt:
        interrupted = Interrupted("interrupted", hint="run it again")
        return console.print_failure(interrupted, json_wanted=json_wanted, started=started)
    except Exception as error:  # noqa: BLE001 - the boundary
        return console.internal_error(error, json_wanted=json_wanted, started=started)


def _complete(instruction: str) -> int:
    from codex_imagegen.cli.commands import completion

    return completion.answer(_command_line(), instruction)


def _call(args: list[str]) -> int:
    if not args and console.is_interactive():
        return _print_first_help()
    if (args and args[0] in {"help", "version"}) or any(_has_one_dash(word) for word in args):
        from codex_imagegen.cli import arguments

        args = arguments.replace_word(args, COMMANDS)
        check_dashes(args, load(args[0] if _names_command(args) else DEFAULT))
    try:
        code = _command_line().main(args, prog_name=PROGRAM, standalone_mode=False)
    except click.UsageError as error:
        from codex_imagegen.cli import arguments

        raise arguments.explain(error, args) from error
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except OSError as error:
        if not _PRINTED_BY_CLICK.intersection(args):
            raise
        code = console.print_stdout_error(error)
    return code if isinstance(code, int) else 0


def _print_first_help() -> int:
    """Print how to begin, on stderr and with 2 as curl does: nothing was asked for, so nothing succeeded."""
    from codex_imagegen.cli.help import no_arguments_page

    console.err(no_arguments_page())
    return UsageError.exit_code


def _command_line() -> CommandLine:
    return CommandLine(PROGRAM, context_settings={"help_option_names": ["-h", "--help"]})


def _names_command(args: Sequence[str]) -> bool:
    return bool(args) and args[0] in COMMANDS


def _begins_with_word(args: Sequence[str]) -> bool:
    """Return whether the first argument looks like a command's name: one ASCII word, and no option."""
    return bool(args) and args[0].isascii() and len(args[0].split()) == 1 and args[0][0] != "-"


def _has_one_dash(word: str) -> bool:
    """Return whether a word is a short option with more behind it, which may be a long one with a dash missing."""
    return len(word) > 2 and word[0] == "-" != word[1]


def _find_flags(flags: Sequence[str], command: click.Command, args: Sequence[str]) -> list[bool]:
    """Return for each flag whether it is given, also among wrong arguments, whose error is printed as JSON too.

    Click's resilient parsing does not report this: it ends at the first error (``--quiet=5 --json``), and knows only
    the options of the command where it ended (``runcomfy --nonsense --json``).
    """
    found = {word for word, kind in read_words(args, options_with_value(command)) if kind == OPTION}
    return [flag in found for flag in flags]
