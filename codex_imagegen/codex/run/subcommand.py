"""Which subcommand of ``codex exec`` the user's own arguments name, if any."""

from __future__ import annotations

from collections.abc import Sequence

from codex_imagegen.errors import UsageError

NO_PICTURE = ("fork", "review")
"""Those that read no prompt from stdin, and so make no picture (``fork``: seen in 0.169.0, not in 0.138.0)."""

VALUED = {
    "-c", "--config", "--enable", "--disable", "-i", "--image", "-m", "--model", "--local-provider", "-p", "--profile",
    "-s", "--sandbox", "-C", "--cd", "--add-dir", "--output-schema", "--color", "-o", "--output-last-message",
    "--thread-source", "--cyber-access-program",
}  # fmt: skip
"""The options of ``codex exec`` whose value is the next word (0.111.0 to 0.169.0)."""


def resumed(arguments: Sequence[str]) -> str | None:
    """The thread that the arguments go on with; ``""`` where they do not say which, and None where there is none.

    Raises :class:`UsageError` for a subcommand that makes no picture, and for a prompt: Codex would draw that one, also
    where it is ended before it has read ours.
    """
    subcommand, *words = _plain(arguments) or [""]
    if subcommand in NO_PICTURE:
        raise UsageError(f"codex exec {subcommand} makes no picture", hint="go on with a thread by: resume THREAD")
    if subcommand not in {"", "resume"} or len(words) > 1 or (words and "--last" in arguments):
        raise UsageError("--codex-arg can't be a prompt", hint="give it with --prompt; a value goes with its option")
    return "".join(words) if subcommand else None


def refuse_thread(arguments: Sequence[str], where: str) -> None:
    """Raise :class:`UsageError` for arguments that go on with a thread, ``where`` several pictures are made."""
    if resumed(arguments) is not None:
        raise UsageError(
            f"--codex-arg resume goes on with one thread, and {where} is for several pictures",
            hint="make the pictures of a thread one at a time, by the default command without --count",
        )


def _plain(arguments: Sequence[str]) -> list[str]:
    """The words that are no options and no values of options."""
    befores, words = ("", *arguments), list(arguments)
    end = words.index("--") if "--" in words else len(words)  # what follows is no option, and no subcommand
    found = [word for before, word in zip(befores, words[:end], strict=False) if before not in VALUED]
    return [word for word in found if not word.startswith("-")] + words[end:]
