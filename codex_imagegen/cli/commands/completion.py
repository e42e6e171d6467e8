"""``codex-imagegen completion``, and the answers to bash, zsh and fish while a command is typed."""

from __future__ import annotations

import sys

import click
from click.shell_completion import ShellComplete, get_completion_class

from codex_imagegen.cli import console
from codex_imagegen.cli.options import COMPLETION, PROGRAM, Argument, Command
from codex_imagegen.errors import UsageError

INSTALL = {
    "bash": "echo 'eval \"$(codex-imagegen completion bash)\"' >> ~/.bashrc",
    "zsh": "echo 'eval \"$(codex-imagegen completion zsh)\"' >> ~/.zshrc",
    "fish": "echo 'codex-imagegen completion fish | source' >> ~/.config/fish/config.fish",
}
"""For each shell the command that makes new shells complete."""

HELP = f"""Print the script with which a shell completes commands, options, their values and files.

To have it in every new shell, run the line for yours once:

\b
  {INSTALL["bash"]}
  {INSTALL["zsh"]}
  {INSTALL["fish"]}
"""
_LOAD_COMPINIT = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }"
"""The script of zsh needs compdef, which a .zshrc without compinit lacks."""


def completion(*, shell: str | None) -> int:
    """Print a shell's script; returns the exit code."""
    if shell not in INSTALL:
        problem = "a shell is missing" if shell is None else f"there is no completion for {shell!r}"
        raise UsageError(f"{problem}: give bash, zsh or fish", hint=f"for help:\n{PROGRAM} completion --help")
    console.out(_script(click.get_current_context().find_root().command, shell))
    if sys.stdout is not None and sys.stdout.isatty():
        console.err(f"\n{PROGRAM}: to have this in every new shell, run:\n\n  {INSTALL[shell]}")
    return 0


def _script(command: click.Command, shell: str) -> str:
    """Return the shell's script; that of zsh loads what it needs, after the line that has to be the first."""
    script = _shell(command, shell).source().strip("\n")
    first, _, rest = script.partition("\n")
    return "\n".join([first, "", _LOAD_COMPINIT, rest]) if shell == "zsh" else script


def _shell(command: click.Command, name: str) -> ShellComplete:
    """Return click's completion for one of :data:`INSTALL`."""
    shell_class = get_completion_class(name)
    assert shell_class is not None  # noqa: S101 - click has these three
    return shell_class(command, {}, PROGRAM, COMPLETION)


def answer(command: click.Command, instruction: str) -> int:
    """Print the shell's script (``bash_source``) or the candidates for the next word (``bash_complete``).

    Click's own ``main`` would do this, too, but end with 1 and no message where ``instruction``, the value of
    :data:`COMPLETION`, is wrong. Returns the exit code.
    """
    name, _, action = instruction.partition("_")
    if name not in INSTALL or action not in {"source", "complete"}:
        hint = "give it bash_source, zsh_source or fish_source"
        raise UsageError(f"{COMPLETION} can't be {instruction!r}", hint=hint)
    shell = _shell(command, name)
    if action == "source":
        console.out(shell.source().rstrip("\n"))
        return 0
    try:
        words, incomplete = shell.get_completion_args()
    except (KeyError, ValueError, IndexError) as error:
        hint = f"how to install it:\n{PROGRAM} completion --help"
        raise UsageError("only a shell's completion script can use this", hint=hint) from error
    if words[-1:] == ["="]:  # bash splits --ref=fox into three words
        words.pop()
    for item in shell.get_completions(words, incomplete):
        console.out(shell.format_completion(item))
    return 0


command = Command(
    "completion",
    params=[Argument(["shell"], required=False, metavar="bash|zsh|fish")],
    callback=completion,
    help=HELP,
)
