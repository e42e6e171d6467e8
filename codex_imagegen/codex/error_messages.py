"""Convert a reason to an error: a sentence with Codex's own message in it, and a hint."""

from __future__ import annotations

import re

from codex_imagegen import errors, render
from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.error_patterns import Reason

MAX_QUOTED_CHARS = 300
"""How many characters of Codex's own message are quoted."""

SANDBOX_HINT = "inside another agent's sandbox, allow network access and writing to CODEX_HOME (usually ~/.codex)"
DISK_HINT = "free some space on the disk that holds CODEX_HOME (usually ~/.codex), and on that of the temporary folder"
PROVIDER_HINT = "with a ChatGPT login, add:\n--codex-arg=-c --codex-arg='model_provider=\"openai\"'"
LONG_HINT = (
    "the connection broke while the picture was drawn: use fewer or smaller references, a simpler prompt, or an older "
    "Codex with --codex"
)
HOST_HINT = (
    "codex-code-mode-host belongs beside the codex binary: install every file of the release archive, or all of "
    "Codex with:\nnpm install -g @openai/codex"
)
_NO_PLAN_HINT = "it needs a ChatGPT plan with Codex; without one, there is --backend runcomfy, which is paid"

_ERRORS: dict[str, type[errors.ImagegenError]] = {
    error.code: error
    for error in (
        errors.CodexTooOld, errors.CodexIncomplete, errors.NotLoggedIn, errors.NetworkError, errors.CodexFailed,
        errors.UsageLimit, errors.RateLimited, errors.Moderation, errors.ToolUnavailable, errors.GenerationFailed,
        errors.SessionMissing,
    )
}  # fmt: skip
_SENTENCES = {
    "codex-too-old": ("this Codex CLI is too old to make pictures", "update it with:\nnpm install -g @openai/codex"),
    "codex-incomplete": (
        "this Codex CLI can't start its code-mode host, which it needs to make pictures",
        HOST_HINT,
    ),
    "not-logged-in": ("Codex is not logged in", "log in with:\ncodex login"),
    "network": ("Codex could not reach OpenAI", f"check the network, and try again; {SANDBOX_HINT}"),
    "codex-failed": ("Codex failed", "see its output with --verbose"),
    "session-missing": ("Codex ran, but could not save its session", SANDBOX_HINT),
    "usage-limit": ("the plan's limit is reached", "try again {when}"),
    "rate-limited": ("OpenAI's rate limit is reached", "wait a minute, and try again"),
    "moderation": ("OpenAI's safety system blocked the picture", "change the prompt or the references"),
    "tool-unavailable": (
        "Codex was not offered the image tool",
        "it needs a ChatGPT plan that includes it, such as Plus; without one, there is --backend runcomfy, which is "
        "paid; see how Codex is logged in with:\ncodex login status",
    ),
    "generation-failed": ("the image tool failed", "try again; if it fails again, change the prompt"),
}
_WHEN_UNKNOWN = "later; see what is left of the plan with:\ncodex-imagegen doctor"
_FULL_DISK = re.compile(
    r"No space left on device|os error 28\b|ENOSPC|Disk quota exceeded|os error 122\b"
    r"|database or disk is full|SQLITE_FULL"
)
_SANDBOX = re.compile(r"Read-only file system|Permission denied|Operation not permitted")
_NO_PLAN = "To use Codex with your ChatGPT plan"
_PAGE = re.compile(r"<(?:!doctype|\?xml|html|head|body)\b.*(?:</html>|>|$)", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title>([^<]*)</title>", re.IGNORECASE)


def to_error(reason: Reason, *, spent: bool | None) -> errors.ImagegenError:
    """The error for a reason, with its message and its hint."""
    sentence, _usual_hint = _SENTENCES[reason.code]
    is_limit = reason.code == "usage-limit"  # whose hint has the time, and how long it is until then
    message = sanitize(error_patterns.without_reset_time(reason.message) if is_limit else reason.message)
    when = _WHEN_UNKNOWN if reason.resets_at is None else render.until(reason.resets_at)
    return _ERRORS[reason.code](
        f"{sentence}: {message}" if message else sentence,
        hint=choose_hint(reason).replace("{when}", when),
        spent=spent,
        resets_at=reason.resets_at,
    )


def choose_hint(reason: Reason) -> str:
    """The reason's own hint, one for its message, or the usual hint of its code."""
    if reason.hint:
        return reason.hint
    if reports_full_disk(reason.message):
        return DISK_HINT
    if _SANDBOX.search(reason.message):
        return SANDBOX_HINT
    if _NO_PLAN in reason.message:
        return _NO_PLAN_HINT
    return _SENTENCES[reason.code][1]


def sanitize(text: str) -> str:
    """Codex's message on one short line, without web pages, keys and passwords."""
    text = _PAGE.sub(_title, text[: 8 * MAX_QUOTED_CHARS]) if "<" in text else text[: 4 * MAX_QUOTED_CHARS]
    line = render.hide_secrets(" ".join(text.split()))
    return line if len(line) <= MAX_QUOTED_CHARS else line[: MAX_QUOTED_CHARS - 1] + "…"


def reports_full_disk(text: str) -> bool:
    """Whether a message of Codex, or of its database, reports a full disk."""
    return _FULL_DISK.search(text) is not None


def _title(page: re.Match[str]) -> str:
    """The title of a web page, in place of the page."""
    title = _TITLE.search(page[0])
    return f"(a web page: {title[1].strip()})" if title else "(a web page)"
