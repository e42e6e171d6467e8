"""Shell completion by click's own scripts for bash, zsh and fish; imported only where a shell asks for it.

What a value may be is read off the word that stands for it in the help: ``FILE``, ``DIR``, or ``this|that``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from codex_imagegen.cli import console
from codex_imagegen.cli.main import COMMANDS, COMPLETION, load, split
from codex_imagegen.errors import UsageError

PROGRAM = "codex-imagegen"
if TYPE_CHECKING:
    _Type = click.ParamType[str]
else:
    _Type = click.ParamType  # before click 8.4 it takes no brackets when it runs


def answer(instruction: str) -> int:
    """Print the shell's script (``bash_source``) or the words that can come next (``bash_complete``); the exit code."""
    name, _, wanted = instruction.partition("_")
    shell = get_completion_class(name)
    if shell is None or wanted not in {"source", "complete"}:
        raise UsageError(
            f"{COMPLETION} can't be {instruction!r}", hint="give it bash_source, zsh_source or fish_source"
        )
    if wanted == "source":
        console.out(shell(load("generate"), {}, PROGRAM, COMPLETION).source().rstrip("\n"))
        return 0
    for line in _candidates(shell):
        console.out(line)
    return 0


def _candidates(shell: type[ShellComplete]) -> list[str]:
    """What can come next, in the shell's format, on the command line that its script has put into the environment."""
    try:
        words, incomplete = shell(load("generate"), {}, PROGRAM, COMPLETION).get_completion_args()
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError("this is for a shell to ask, not for a person", hint="see the README: completion") from error
    if words[-1:] == ["="]:  # bash breaks --ref=fox in three
        words.pop()
    name, rest = split(words)
    command = load(name)
    _hint(command)
    asked = shell(command, {}, PROGRAM, COMPLETION)
    items = [*(_names(incomplete) if not words else ()), *asked.get_completions(rest, incomplete)]
    return [asked.format_completion(item) for item in items]


def _names(incomplete: str) -> list[CompletionItem[str]]:
    """The commands: click does not know of them, since ours are dispatched by hand."""
    return [CompletionItem(name, help=text) for name, (_, text) in COMMANDS.items() if name.startswith(incomplete)]


def _hint(command: click.Command) -> None:
    """Tell click, for a command and its subcommands, what the values may be."""
    for parameter in command.params:
        if parameter.metavar and _is_hint(parameter.metavar):
            parameter.type = _Hinted(parameter.metavar)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _hint(below)


def _is_hint(metavar: str) -> bool:
    return "FILE" in metavar or metavar in {"DIR", "JOBS"} or "|" in metavar


class _Hinted(_Type):
    """A value of which the help tells what it may be."""

    def __init__(self, metavar: str) -> None:
        self.name = metavar

    def shell_complete(
        self, _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """A file, a folder, or one of some words."""
        if "FILE" in self.name or self.name == "JOBS":
            return [CompletionItem(incomplete, type="file")]
        if self.name == "DIR":
            return [CompletionItem(incomplete, type="dir")]
        return [CompletionItem(word) for word in self.name.split("|") if word.startswith(incomplete)]
