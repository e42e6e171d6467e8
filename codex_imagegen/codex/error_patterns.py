"""Classify Codex's error messages: each becomes a :class:`Reason`.

Each pattern was seen on real builds between 0.111.0 and 0.169.0. Messages come from three places: a turn that failed,
stderr of a Codex that ended before its thread, and the image tool. A code is one of the names of ``error.code``.
Codex prints straight apostrophes up to 0.149 and curly ones later.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any

from codex_imagegen.values import as_object, parse_object

_LAST_TIME = 253_402_300_800
"""The year 10,000, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something failed: an error code, the message of Codex or OpenAI, and when a limit ends (Unix seconds).

    ``hint`` is what to do, where that is more specific than the usual hint of the code.
    """

    code: str
    message: str
    resets_at: int | None = None
    hint: str | None = None


# Errors of a turn

_TURN_INFO = {
    "usage_limit_exceeded": "usage-limit",
    "unauthorized": "not-logged-in",
    "rate_limit_exceeded": "rate-limited",
    "server_overloaded": "rate-limited",
    "cyber_policy": "moderation",
    "internal_server_error": "network",
}
_TURN_PATTERNS = (
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
_AT = re.compile(
    r"try again at (?:(?P<month>[A-Z][a-z]{2}) (?P<day>\d{1,2})(?:st|nd|rd|th), (?P<year>\d{4}) )?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d) (?P<half>[AP])M",
    re.IGNORECASE,
)
_AGAIN = re.compile(rf"(?:,? or|,)? (?:{_AT.pattern}|try again later)(?=\.|$)", re.IGNORECASE)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def classify_turn_error(text: str, info: object = None, now: float | None = None) -> Reason:
    """What a turn's error means; ``info`` is the record's ``codex_error_info`` (from 0.149), ``now`` Unix seconds."""
    matches = (code for code, pattern in _TURN_PATTERNS if re.search(pattern, text))
    code = _classify_info(info) or next(matches, "codex-failed")
    return Reason(code, _body_message(text), parse_reset_time(text, now) if code == "usage-limit" else None)


def _classify_info(info: object) -> str | None:
    if isinstance(info, str):
        return _TURN_INFO.get(info)
    for value in as_object(info).values():
        status = as_object(value).get("http_status_code")
        if isinstance(status, int):
            return {401: "not-logged-in", 429: "rate-limited"}.get(status) or ("network" if status >= 500 else None)
    return None


def _body_message(text: str) -> str:
    """The message inside a turn error that consists of the server's JSON; else the text itself."""
    body = parse_object(text)
    if not body:
        return text
    return clip(body.get("detail") or as_object(body.get("error")).get("message")) or text


def parse_reset_time(text: str, now: float | None = None) -> int | None:
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


def without_reset_time(text: str) -> str:
    """The text without ``try again at …`` or ``later``, for a message beside a hint that has the time."""
    return _AGAIN.sub("", text).strip().replace("..", ".")


def as_unix_time(value: object) -> int | None:
    """The value if it is a Unix time in seconds before the year 10,000, else None."""
    return value if isinstance(value, int) and 0 < value < _LAST_TIME else None


# Stderr: a Codex that ended before its thread, and errors of tools

_START_PATTERNS = (
    ("codex-too-old", r"Unknown feature flag: image_generation"),
    ("network", r"Failed to load cloud config bundle|failed to load your workspace-managed config"),
)
_NOISE = re.compile(
    r"^WARNING: proceeding, even though|Reading (?:prompt|additional input) from stdin|rmcp::transport::worker"
    r"|failed to refresh available models|responses_websocket: failed to connect"
    r"|^\s*(?:tip:|Usage:|codex exec \[)|For more information"
)


def classify_startup_error(stderr: str) -> Reason:
    """What Codex's stderr means when it ended before a thread began.

    The message is its first error, or else its last line that is not noise.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and not _NOISE.search(line)]
    code = next((code for code, pattern in _START_PATTERNS if re.search(pattern, stderr)), "codex-failed")
    first = next((n for n, line in enumerate(lines) if re.match(r"error\b", line, re.IGNORECASE)), None)
    if first is None:
        return Reason(code, lines[-1] if lines else "(no output)")
    count = 2 if lines[first].endswith(":") else 1  # the line after "Error loading config.toml:" names the fault
    return Reason(code, " ".join(lines[first : first + count]))


def find_tool_errors(stderr: str) -> list[str]:
    """The tool errors that Codex logged on stderr, which a script of the model may have caught."""
    return [line.partition("error=")[2] for line in stderr.splitlines() if "tools::router: error=" in line]


# Errors of the image tool
#
# From 0.144 on the tool is Codex's own, and prints the endpoint's answer as Rust's ``Debug`` does: ``http 502 Bad
# Gateway: Some("…")``, or ``None`` where the answer had no body that could be read (seen with 0.144.6, 0.149.1 and
# 0.169.0).
#
# Up to 0.143 the tool is hosted behind OpenAI's API. Its errors appear in three places only (0.118.0, 0.134.0 and
# 0.141.0): the error of the turn, the ``result`` of an item that failed, and the model's own message, which repeats it.

_LIMIT_NAMES = {"usage_limit_reached", "usage_not_included", "insufficient_quota", "billing_hard_limit_reached"}
_MODERATION_NAMES = {"moderation_blocked", "content_policy_violation"}
_RATE_NAMES = {"rate_limit_exceeded", "TooManyRequests"}
_BLOCKED = re.compile(
    r"moderation_blocked|content_policy_violation|rejected by the safety system"
    r"|violate[sd]? (?:our|its|the|OpenAI['’]s) .{0,40}\bguardrails\b"
)
_TOOL_ERROR = re.compile(
    r"image generation failed: (?P<rest>.*)"
    r"|image generation returned no image data"
    r"|unable to (?:read|process) referenced image at .*"
    r"|`(?:referenced_image_paths|num_last_images_to_include)` must .*"
    r"|requested the last \d+ conversation images.*",
    re.DOTALL,
)
_NOT_OFFERED = re.compile(
    r"unsupported call: \S*image_?gen|tools\.image_gen__imagegen is not a function|image_gen__imagegen is not defined"
)
_NO_HOST = re.compile(r"failed to spawn code-mode host (.+?)(?:\. Code mode|\n|$)", re.IGNORECASE)
_HTTP = re.compile(
    r"(?:http|api error) (?P<status>[1-5]\d\d)\b(?P<phrase>[A-Za-z' -]*)(?::\s*(?P<body>.*))?", re.DOTALL
)
_QUOTED_NAME = re.compile(r"(?:code|type)\W+(\w+)")
_PYTHON_CLASS = re.compile(r"\boai_errors\.errors\.(\w+)")
_CLASS = re.compile(r"\b(TooManyRequests|[A-Z]\w*Error)\b")
_HTML = re.compile(r"\s*<(?:!doctype|\?xml|html|head|body|title|center|h1)\b", re.IGNORECASE)
_TEXT_PATTERNS = (
    ("rate-limited", r"retry limit reached|rate limit|too many requests|server overloaded"),
    ("usage-limit", r"quota exceeded|usage not included|usage limit"),
    ("generation-failed", r"failed to decode"),
    ("network", r"network error|time(?:d )?out|connection|stream error|error sending request"),
)
_LATER = "a problem on OpenAI's side: try again later"
_NO_TRANSPARENCY = re.compile(r"[Tt]ransparen\w* .*not supported|not support\w* .*transparen")
_STATUS_HINTS = {
    403: "check in ChatGPT whether this account may make pictures, and which account Codex uses:\ncodex login status",
    404: "check config.toml for a proxy or a base URL without an endpoint for pictures, and update Codex",
    413: "use smaller references, or fewer",
}
_REJECTED = "change the prompt or the options: the same request would be refused again"


def classify_tool_error(text: str) -> Reason | None:
    """What an error of the image tool means, or None if the text is not one."""
    if _NOT_OFFERED.search(text):
        return Reason("tool-unavailable", "")
    host = _NO_HOST.search(text)
    if host is not None:
        return Reason("codex-incomplete", host[1])
    error = _TOOL_ERROR.search(text)
    if error is None:
        return classify_hosted_error(text) if _PYTHON_CLASS.search(text) else None
    if not error["rest"]:
        return Reason("generation-failed", error[0])
    http = _HTTP.match(error["rest"])
    if http is not None:
        return _classify_http_error(int(http["status"]), http["phrase"].strip(), _body(http["body"] or ""))
    return classify_hosted_error(error["rest"]) or _classify_text(error["rest"])


def classify_hosted_error(text: str) -> Reason | None:
    """What an error of the hosted tool means (up to 0.143), also if the model repeats it; None for any other text.

    It is recognized by what no model writes of its own accord: a Python class, or a name of the API.
    """
    if _BLOCKED.search(text):
        return Reason("moderation", text)
    python_class = _PYTHON_CLASS.search(text)
    name = python_class or _CLASS.search(text)
    if name is None or (python_class is None and name[1] not in {"TooManyRequests", "ServerError"}):
        return None
    if name[1] == "TooManyRequests":
        return Reason("rate-limited", name[1])
    return Reason("generation-failed", name[1], hint=_LATER)


def _classify_text(text: str) -> Reason:
    """What an error without an HTTP status means."""
    matches = (code for code, pattern in _TEXT_PATTERNS if re.search(pattern, text, re.IGNORECASE))
    return Reason(next(matches, "generation-failed"), text, hint=_LATER if "failed to decode" in text else None)


def _classify_http_error(status: int, phrase: str, body: str) -> Reason:
    error = _error_object(body)
    names = {error.get("code"), error.get("type")} if error else set(_QUOTED_NAME.findall(body))
    message = _message(body, error) or f"HTTP {status} {phrase}".rstrip()
    if names & _LIMIT_NAMES:
        return Reason("usage-limit", message, as_unix_time(error.get("resets_at")))
    if names & _MODERATION_NAMES or _BLOCKED.search(body) or "guardrails" in message:
        return Reason("moderation", message)
    if status == 429 or names & _RATE_NAMES:
        return Reason("rate-limited", message)
    if status in {401, 408}:
        return Reason("not-logged-in" if status == 401 else "network", message)
    return Reason("generation-failed", message, hint=_http_hint(status, message))


def _http_hint(status: int, message: str) -> str | None:
    """What to do about a request that the endpoint did not accept."""
    if _NO_TRANSPARENCY.search(message):
        return "leave --transparent out: the image model does not support it"
    if status >= 500:
        return _LATER
    return _STATUS_HINTS.get(status) or (_REJECTED if 400 <= status < 500 else None)


def _message(body: str, error: dict[str, Any]) -> str:
    """The message in a body; empty where it is a web page, or JSON without one."""
    if error.get("message"):
        return clip(error["message"])
    fields = parse_object(body)
    if fields:
        return next((clip(fields[key]) for key in ("detail", "message", "error") if clip(fields.get(key))), "")
    return "" if _HTML.match(body) else clip(body).strip()


def _body(printed: str) -> str:
    """The body of an answer as Codex prints it: ``Some("…")``, ``None``, or as it is."""
    quoted = re.match(r"Some\((\".*\")\)", printed, re.DOTALL)
    if quoted:
        return _rust_string(quoted[1])
    return "" if re.match(r"None\b", printed) else printed


def _error_object(body: str) -> dict[str, Any]:
    error = as_object((parse_object(body) or {}).get("error"))
    return error if all(_is_scalar(error.get(key)) for key in ("code", "type")) else {}


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, (str, int))


def _rust_string(quoted: str) -> str:
    """The string that Rust's ``{:?}`` printed."""
    plain = re.sub(r"\\u\{([0-9a-fA-F]{1,6})\}", lambda m: chr(min(int(m[1], 16), 0x10FFFF)), quoted)
    try:
        return str(json.loads(plain.replace("\\'", "'"), strict=False))
    except (ValueError, RecursionError):
        return quoted


def clip(value: object) -> str:
    """The first 1,000 characters of a text; empty for anything else."""
    return value[:1000] if isinstance(value, str) else ""
