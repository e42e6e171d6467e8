"""Which subcommand of ``codex exec`` the user's own arguments name, if any."""

from __future__ import annotations

from collections.abc import Sequence

from codex_imagegen.errors import UsageError

GOES_ON = {"resume", "fork"}
"""Those that go on from a thread (``fork``: seen in 0.169.0, not in 0.138.0)."""

VALUED = {
    "-c", "--config", "--enable", "--disable", "-i", "--image", "-m", "--model", "--local-provider", "-p", "--profile",
    "-s", "--sandbox", "-C", "--cd", "--add-dir", "--output-schema", "--color", "-o", "--output-last-message",
    "--thread-source", "--cyber-access-program",
}  # fmt: skip
"""The options of ``codex exec`` whose value is the next word (0.111.0 to 0.169.0)."""


def refuse_thread(arguments: Sequence[str], where: str) -> None:
    """Raise :class:`UsageError` for arguments that go on from a thread, ``where`` several pictures are made."""
    word = going_on(arguments)
    if word is not None:
        raise UsageError(
            f"--codex-arg {word} goes on from one thread, and {where} is for several pictures",
            hint="make the pictures of a thread one at a time, by the default command without --count",
        )


def going_on(arguments: Sequence[str]) -> str | None:
    """The subcommand that goes on from a thread; None where there is none, or the word is an option's value."""
    before = ""
    for word in arguments:
        if word == "--":
            return None
        if word in GOES_ON and before not in VALUED:
            return word
        before = word
    return None
