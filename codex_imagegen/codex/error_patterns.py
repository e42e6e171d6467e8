"""What Codex's words for a failure mean: each pattern was seen on real builds between 0.111.0 and 0.169.0.

A reason is one of the names of ``error.code``. Codex prints straight apostrophes up to 0.149 and curly ones later.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any

_TURN_INFO = {
    "usage_limit_exceeded": "usage-limit",
    "unauthorized": "not-logged-in",
    "rate_limit_exceeded": "rate-limited",
    "server_overloaded": "rate-limited",
    "cyber_policy": "moderation",
    "internal_server_error": "network",
}
_TURN_WORDS = (
    (
        "usage-limit",
        r"You['’]ve hit your usage limit|usage limit has been reached|workspace is out of credits"
        r"|You hit your spend cap|Quota exceeded\. Check your plan|upgrade to Plus: https|image generation limit",
    ),
    ("not-logged-in", r"Please log out and sign in again|unexpected status 401|Failed to refresh token|Not logged in"),
    (
        "moderation",
        r"moderation_blocked|content_policy_violation|rejected by the safety system|request has been flagged"
        r"|\bguardrails\b",
    ),
    (
        "rate-limited",
        r"last status: 429|rate limit exceeded|Rate limit reached|rate_limit_exceeded|TooManyRequests|at capacity",
    ),
    ("generation-failed", r"oai_errors\.errors|\bServerError\b"),
    (
        "network",
        r"stream disconnected before completion|waiting for network|error sending request|Connection failed"
        r"|We['’]re currently experiencing high demand|(?:unexpected|last) status:? 5\d\d|request timed out"
        r"|workspace routing discovery failed|blocked by Cloudflare|Network unreachable|failed to lookup address",
    ),
)
_START_WORDS = (
    ("codex-too-old", r"Unknown feature flag: image_generation"),
    ("network", r"Failed to load cloud config bundle|failed to load your workspace-managed config"),
)
_AT = re.compile(
    r"try again at (?:(?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2})(?:st|nd|rd|th), (?P<year>\d{4}) )?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d) (?P<half>[AP])M",
    re.IGNORECASE,
)
_LAST_TIME = 253_402_300_800
"""The year 10,000, in Unix seconds."""

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True, slots=True)
class Reason:
    """A failure's name, Codex's or the back end's own words for it, and when a limit ends (Unix seconds).

    ``hint`` is what to do, where that is more than the name tells.
    """

    code: str
    words: str
    resets_at: int | None = None
    hint: str | None = None


def of_turn(text: str, info: object = None, now: float | None = None) -> Reason:
    """What a turn's error says; ``info`` is the record's ``codex_error_info`` (from 0.149), ``now`` Unix seconds."""
    code = _of_info(info) or next((code for code, words in _TURN_WORDS if re.search(words, text)), "codex-failed")
    return Reason(code, _body_message(text), resets_at(text, now) if code == "usage-limit" else None)


def of_start(stderr: str) -> Reason:
    """What Codex's stderr says when it ended before a thread began.

    The words are its first error, or else its last line that is not noise.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not _NOISE.search(line)]
    code = next((code for code, words in _START_WORDS if re.search(words, stderr)), "codex-failed")
    first = next((n for n, line in enumerate(lines) if re.match(r"error\b", line, re.IGNORECASE)), None)
    if first is None:
        return Reason(code, lines[-1] if lines else "it said nothing")
    more = 2 if lines[first].endswith(":") else 1  # "Error loading config.toml:", and where it is broken
    return Reason(code, " ".join(lines[first : first + more]))


_NOISE = re.compile(
    r"^WARNING: proceeding, even though|Reading (?:prompt|additional input) from stdin|rmcp::transport::worker"
    r"|failed to refresh available models|responses_websocket: failed to connect"
    r"|^\s*(?:tip:|Usage:|codex exec \[)|For more information"
)


def tool_lines(stderr: str) -> list[str]:
    """The tool errors that Codex logged on stderr: a script of the model may have swallowed them."""
    return [line.partition("error=")[2] for line in stderr.splitlines() if "tools::router: error=" in line]


def resets_at(text: str, now: float | None = None) -> int | None:
    """The Unix time that ``try again at …`` names, in the local zone as Codex prints it; without a date, today."""
    found = _AT.search(text)
    if found is None:
        return None
    today = time.localtime(now)
    hour = int(found["hour"]) % 12 + (12 if found["half"].upper() == "P" else 0)
    day = (today.tm_year, today.tm_mon, today.tm_mday)
    if found["month"]:
        month = found["month"].lower()
        if month not in _MONTHS:
            return None
        day = (int(found["year"]), _MONTHS.index(month) + 1, int(found["day"]))
    try:
        return int(time.mktime((*day, hour, int(found["minute"]), 0, 0, 0, -1)))
    except (OverflowError, ValueError):
        return None


def unix_time(value: object) -> int | None:
    """A Unix time in seconds, or None where it is none that a calendar could show."""
    return value if isinstance(value, int) and 0 < value < _LAST_TIME else None


def _of_info(info: object) -> str | None:
    if isinstance(info, str):
        return _TURN_INFO.get(info)
    for value in info.values() if isinstance(info, dict) else ():
        status = value.get("http_status_code") if isinstance(value, dict) else None
        if isinstance(status, int):
            return {401: "not-logged-in", 429: "rate-limited"}.get(status) or ("network" if status >= 500 else None)
    return None


def _body_message(text: str) -> str:
    """The message inside a turn error that is nothing but the back end's JSON; else the text itself."""
    body = json_object(text)
    if not body:
        return text
    error = body.get("error")
    return clip(body.get("detail") or (error.get("message") if isinstance(error, dict) else None)) or text


def json_object(text: str) -> dict[str, Any]:
    """The JSON object that a text is, or an empty one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def clip(value: object) -> str:
    """The beginning of a text, or nothing for anything else."""
    return value[:1000] if isinstance(value, str) else ""
