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

    Raises :class:`UsageError` for a subcommand that makes no picture.
    """
    subcommand, thread = [*_plain(arguments), "", ""][:2]
    if subcommand in NO_PICTURE:
        raise UsageError(f"codex exec {subcommand} makes no picture", hint="go on with a thread by: resume THREAD")
    return thread if subcommand == "resume" else None


def refuse_thread(arguments: Sequence[str], where: str) -> None:
    """Raise :class:`UsageError` for arguments that go on with a thread, ``where`` several pictures are made."""
    if resumed(arguments) is not None:
        raise UsageError(
            f"--codex-arg resume goes on with one thread, and {where} is for several pictures",
            hint="make the pictures of a thread one at a time, by the default command without --count",
        )


def _plain(arguments: Sequence[str]) -> list[str]:
    """The words that are no options and no values of options."""
    words = list(arguments)
    if "--" in words:  # what follows is a prompt
        words = words[: words.index("--")]
    found = (word for before, word in zip(("", *words), words, strict=False) if before not in VALUED)
    return [word for word in found if not word.startswith("-")]
