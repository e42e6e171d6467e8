"""Which command is meant, and the boundary at which every error becomes one sentence and an exit code."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from importlib import import_module

import click

from codex_imagegen.cli import console
from codex_imagegen.errors import ImagegenError, UsageError
from codex_imagegen.platform import system

COMMANDS = {
    "generate": ("codex_imagegen.cli.commands.generate", "make a picture (the default: the word can be left out)"),
    "batch": ("codex_imagegen.cli.commands.batch", "make many pictures, and go on where a run was cut off"),
    "recover": ("codex_imagegen.cli.commands.recover", "take the pictures out of past sessions; spends nothing"),
    "gallery": ("codex_imagegen.cli.commands.gallery", "see every picture that was made, on one page"),
    "doctor": ("codex_imagegen.cli.commands.doctor", "look at everything that a picture needs; spends nothing"),
    "prune": ("codex_imagegen.cli.commands.prune", "see what past runs take on disk, and remove the old ones"),
    "demo": ("codex_imagegen.cli.commands.demo", "see the whole bridge work, with no account and no network"),
    "schema": ("codex_imagegen.cli.commands.schema", "print the JSON Schema of what --json and --events print"),
    "mcp": ("codex_imagegen.cli.commands.mcp", "serve the program to agents as an MCP server"),
    "runcomfy": ("codex_imagegen.cli.commands.runcomfy", "sign in to RunComfy, and follow its long jobs"),
    "skill": ("codex_imagegen.cli.commands.skill", "print or install what an agent has to know to use this program"),
}
"""Name of each command, the module that holds it, and a line of help."""

_PAGES = {"-h", "--help", "--version"}

COMPLETION = "_CODEX_IMAGEGEN_COMPLETE"
"""Set by a shell that completes a command line, and only by it."""


def run(argv: Sequence[str]) -> int:
    """Run one command line and give back its exit code; nothing is raised."""
    started = time.monotonic()
    name, rest = split(list(argv))
    try:
        events, json_wanted = (_asks_for(flag, name, rest) for flag in ("--events", "--json"))
    except Exception as error:  # noqa: BLE001 - a command that can't even be imported
        return console.internal_error(error, json_wanted="--json" in rest, started=started)
    with console.telling(events, started), console.signals(json_wanted=json_wanted, started=started):
        try:
            return _guarded(name, rest, json_wanted, started)
        except ImagegenError as error:  # a signal that fell between a failure and its sentence
            return console.failure(error, json_wanted=json_wanted, started=started)


def _guarded(name: str, rest: list[str], json_wanted: bool, started: float) -> int:
    try:
        if system.is_windows():
            raise UsageError("Windows is not supported", hint="run it inside WSL")
        asked = os.environ.get(COMPLETION)
        return console.ended(_complete(asked) if asked else _call(name, rest))
    except ImagegenError as error:
        if name == "runcomfy":
            error.backend = name
        return console.failure(error, json_wanted=json_wanted, started=started)
    except KeyboardInterrupt:
        from codex_imagegen.errors import Interrupted

        return console.failure(
            Interrupted("interrupted", hint="run it again"), json_wanted=json_wanted, started=started
        )
    except Exception as error:  # noqa: BLE001 - the boundary
        return console.internal_error(error, json_wanted=json_wanted, started=started)


def split(argv: list[str]) -> tuple[str, list[str]]:
    """The command's name and its arguments; without a name it is ``generate``."""
    if argv and argv[0] in COMMANDS:
        return argv[0], argv[1:]
    return "generate", argv


def load(name: str) -> click.Command:
    """A command by its name; its module is imported for that."""
    command: click.Command = import_module(COMMANDS[name][0]).command
    return command


def _complete(instruction: str) -> int:
    from codex_imagegen.cli.completion import answer

    return answer(instruction)


def _call(name: str, rest: list[str]) -> int:
    command = load(name)
    program = "codex-imagegen" if name == "generate" else f"codex-imagegen {name}"
    try:
        code = command.main(rest, prog_name=program, standalone_mode=False)
    except click.UsageError as error:
        page = error.ctx.command_path if error.ctx else program
        raise UsageError(error.format_message(), hint=f"see {page} --help") from error
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except OSError as error:
        if not _PAGES.intersection(rest):
            raise
        code = console.unprinted(error)  # click prints these by itself
    return code if isinstance(code, int) else 0


def _asks_for(flag: str, name: str, rest: list[str]) -> bool:
    """Whether a flag was given: asked of the bare words, so that wrong arguments are answered in JSON too."""
    takes_value, value = _value_options(load(name)), False
    for word in rest:
        if word == "--" and not value:
            return False
        if word == flag and not value:
            return True
        value = not value and (word in takes_value or _ends_in(takes_value, word))
    return False


def _ends_in(takes_value: set[str], word: str) -> bool:
    """Whether of short options in one word, such as ``-qp``, the last is the first to take a value: the next word."""
    if word[:1] != "-" or word[:2] == "--":
        return False
    first = next((place for place, letter in enumerate(word) if f"-{letter}" in takes_value), None)
    return first == len(word) - 1


def _value_options(command: click.Command) -> set[str]:
    """The options, its subcommands' among them, whose next word is their value, whatever it looks like."""
    own = {
        name
        for option in command.params
        if isinstance(option, click.Option) and not option.is_flag and not option.count
        for name in option.opts
    }
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return own.union(*map(_value_options, below))
