"""A reason as an error: one sentence with Codex's own words in it, and what to do next."""

from __future__ import annotations

import re
import time

from codex_imagegen import errors, render
from codex_imagegen.codex.error_patterns import Reason

MAX_WORDS = 300
"""How many characters of Codex's own words are repeated."""

SANDBOX_HINT = (
    "if this runs inside another agent's sandbox, allow it the network and to write to CODEX_HOME (usually ~/.codex)"
)
DISK_HINT = "make room on the disk that holds CODEX_HOME (usually ~/.codex), and on that of the temporary folder"
PROVIDER_HINT = """with a ChatGPT login, add: --codex-arg=-c --codex-arg='model_provider="openai"'"""
LONG_HINT = (
    "it broke while the picture was drawn: take fewer or smaller references, a simpler prompt, or an older Codex with "
    "--codex"
)
HOST_HINT = (
    "install all of it: npm install -g @openai/codex, or every file of the release archive; codex-code-mode-host "
    "belongs beside the codex binary"
)
_FULL = re.compile(
    r"No space left on device|os error 28\b|ENOSPC|Disk quota exceeded|os error 122\b"
    r"|database or disk is full|SQLITE_FULL"
)
_SANDBOX = re.compile(r"Read-only file system|Permission denied|Operation not permitted")
_NO_PLAN = "To use Codex with your ChatGPT plan"
_PAGE = re.compile(r"<(?:!doctype|\?xml|html|head|body)\b.*(?:</html>|>|$)", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title>([^<]*)</title>", re.IGNORECASE)

_ERRORS: dict[str, type[errors.ImagegenError]] = {
    error.code: error
    for error in (
        errors.CodexTooOld, errors.CodexIncomplete, errors.NotLoggedIn, errors.NetworkError, errors.CodexFailed,
        errors.UsageLimit, errors.RateLimited, errors.Moderation, errors.ToolUnavailable, errors.GenerationFailed,
        errors.SessionMissing,
    )
}  # fmt: skip
_SENTENCES = {
    "codex-too-old": ("this Codex CLI is too old to make pictures", "update it: npm install -g @openai/codex"),
    "codex-incomplete": (
        "this Codex CLI can't start its code-mode host, without which it makes no picture",
        HOST_HINT,
    ),
    "not-logged-in": ("Codex is not logged in", "run: codex login"),
    "network": ("Codex could not reach OpenAI", f"check the network, and try again; {SANDBOX_HINT}"),
    "codex-failed": ("Codex failed", "see what it says with --verbose"),
    "session-missing": ("Codex ran, and could not write its session", SANDBOX_HINT),
    "usage-limit": ("the plan's limit is reached", "try again {when}; codex-imagegen never uses a paid key"),
    "rate-limited": ("OpenAI takes no more requests just now", "wait a minute, and try again"),
    "moderation": ("OpenAI's safety system blocked the picture", "change the prompt or the references"),
    "tool-unavailable": (
        "Codex was not offered the image tool",
        "it takes a ChatGPT plan that includes it, such as Plus: check with codex login status; "
        "without a plan there is --backend runcomfy, which is paid",
    ),
    "generation-failed": ("the image tool failed", "try again; if it stays so, change the prompt"),
}


def error(reason: Reason, *, spent: bool | None) -> errors.ImagegenError:
    """The error of the reason's name, with its words and its hint."""
    sentence, _usual = _SENTENCES[reason.code]
    told = words(reason.message)
    at = None if reason.resets_at is None else time.localtime(reason.resets_at)
    when = "later" if at is None else time.strftime("after %Y-%m-%d %H:%M %Z", at).rstrip()
    return _ERRORS[reason.code](
        f"{sentence}: {told}" if told else sentence,
        hint=hint_of(reason).replace("{when}", when),
        spent=spent,
        resets_at=reason.resets_at,
    )


def words(text: str) -> str:
    """Codex's own words on one short line, without web pages, keys and passwords."""
    text = _PAGE.sub(_title, text[: 8 * MAX_WORDS]) if "<" in text else text[: 4 * MAX_WORDS]
    short = render.without_secrets(" ".join(text.split()))
    return short if len(short) <= MAX_WORDS else short[: MAX_WORDS - 1] + "…"


def tells_of_full_disk(text: str) -> bool:
    """Whether these words of Codex's, or of its database's, say that a disk is full."""
    return _FULL.search(text) is not None


def hint_of(reason: Reason) -> str:
    """What to do: the reason's own hint, one for what its words say, or that of its name."""
    if reason.hint:
        return reason.hint
    if tells_of_full_disk(reason.message):
        return DISK_HINT
    if _SANDBOX.search(reason.message):
        return SANDBOX_HINT
    if _NO_PLAN in reason.message:
        return "it takes a ChatGPT plan with Codex; without one there is --backend runcomfy, which is paid"
    return _SENTENCES[reason.code][1]


def _title(page: re.Match[str]) -> str:
    """A web page as its title."""
    title = _TITLE.search(page[0])
    return f"(a web page: {title[1].strip()})" if title else "(a web page)"
