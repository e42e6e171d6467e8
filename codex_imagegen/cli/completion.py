"""Shell completion by click's own scripts for bash, zsh and fish; imported only when a shell asks for it."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from codex_imagegen.cli import console
from codex_imagegen.errors import UsageError


def answer(command: click.Command, instruction: str, *, program: str, variable: str) -> int:
    """Print the shell's script (``bash_source``) or the candidates for the next word (``bash_complete``).

    Click's own ``main`` would do this, too, but end with 1 and no message where ``instruction`` is wrong. ``variable``
    is the name of the environment variable that holds it. Returns the exit code.
    """
    name, _, action = instruction.partition("_")
    shell_class = get_completion_class(name)
    if shell_class is None or action not in {"source", "complete"}:
        raise UsageError(f"{variable} can't be {instruction!r}", hint="give it bash_source, zsh_source or fish_source")
    shell = shell_class(command, {}, program, variable)
    if action == "source":
        console.out(shell.source().rstrip("\n"))
        return 0
    try:
        words, incomplete = shell.get_completion_args()
    except (KeyError, ValueError, IndexError) as error:
        raise UsageError(
            "only a shell's completion script can use this", hint="see the README on completion"
        ) from error
    if words[-1:] == ["="]:  # bash splits --ref=fox into three words
        words.pop()
    for item in shell.get_completions(words, incomplete):
        console.out(shell.format_completion(item))
    return 0


def complete_value(metavar: str | None, incomplete: str) -> list[CompletionItem]:
    """Return what a value may be: a file, a folder, or one of some words, as its ``metavar`` in the help says."""
    if metavar is None:
        return []
    if "FILE" in metavar or metavar == "JOBS":
        return [CompletionItem(incomplete, type="file")]
    if metavar == "DIR":
        return [CompletionItem(incomplete, type="dir")]
    words = metavar.split("|") if "|" in metavar else []
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]
