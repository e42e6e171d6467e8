"""What Codex's words for a failure mean: each pattern was seen on real builds between 0.111.0 and 0.169.0.

A reason is one of the names of ``error.code``. Codex prints straight apostrophes up to 0.149 and curly ones later.

What the image tool, or the endpoint behind it, says in place of a picture.

From 0.144 on the tool is Codex's own and prints the endpoint's answer as Rust's ``Debug`` does: ``http 502 Bad Gateway:
Some("…")``, or ``None`` where the answer had no body that could be read (seen with 0.144.6, 0.149.1 and 0.169.0).

Up to 0.143 the tool runs behind OpenAI's API. What it says there is seen in three places alone (0.118.0, 0.134.0 and
0.141.0): the error of the turn, the ``result`` of an item that failed, and the model's own words, which repeat it.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any

from codex_imagegen.values import as_object, parse_object

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
    message: str
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
    for value in as_object(info).values():
        status = as_object(value).get("http_status_code")
        if isinstance(status, int):
            return {401: "not-logged-in", 429: "rate-limited"}.get(status) or ("network" if status >= 500 else None)
    return None


def _body_message(text: str) -> str:
    """The message inside a turn error that is nothing but the back end's JSON; else the text itself."""
    body = parse_object(text)
    if not body:
        return text
    return clip(body.get("detail") or as_object(body.get("error")).get("message")) or text


def clip(value: object) -> str:
    """The beginning of a text, or nothing for anything else."""
    return value[:1000] if isinstance(value, str) else ""


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
_NAMED = re.compile(r"(?:code|type)\W+(\w+)")
_PYTHON = re.compile(r"\boai_errors\.errors\.(\w+)")
_CLASS = re.compile(r"\b(TooManyRequests|[A-Z]\w*Error)\b")
_HTML = re.compile(r"\s*<(?:!doctype|\?xml|html|head|body|title|center|h1)\b", re.IGNORECASE)
_PLAIN = (
    ("rate-limited", r"retry limit reached|rate limit|too many requests|server overloaded"),
    ("usage-limit", r"quota exceeded|usage not included|usage limit"),
    ("generation-failed", r"failed to decode"),
    ("network", r"network error|time(?:d )?out|connection|stream error|error sending request"),
)
_LATER = "that is on OpenAI's side: try again later"
_OPAQUE = re.compile(r"[Tt]ransparen\w* .*not supported|not support\w* .*transparen")
_BY_STATUS = {
    403: "see in ChatGPT whether this account may make pictures; codex login status names the login",
    404: "look in config.toml for a proxy or a base URL that has no place for pictures, and update Codex",
    413: "give smaller references, or fewer",
}
_REFUSED = "change the prompt or the options: the same request is refused again"


def of_tool(text: str) -> Reason | None:
    """What the image tool's error says, or None where this is none."""
    if _NOT_OFFERED.search(text):
        return Reason("tool-unavailable", "")
    host = _NO_HOST.search(text)
    if host is not None:
        return Reason("codex-incomplete", host[1])
    found = _TOOL_ERROR.search(text)
    if found is None:
        return of_hosted(text) if _PYTHON.search(text) else None
    if not found["rest"]:
        return Reason("generation-failed", found[0])
    http = _HTTP.match(found["rest"])
    if http is not None:
        return _of_http(int(http["status"]), http["phrase"].strip(), _body(http["body"] or ""))
    return of_hosted(found["rest"]) or _of_words(found["rest"])


def of_hosted(text: str) -> Reason | None:
    """What the hosted tool says (up to 0.143), also where the model repeats it; None where nothing is said of it.

    The marks are such that no model writes by itself: a class of Python's, a name of the API's.
    """
    if _BLOCKED.search(text):
        return Reason("moderation", text)
    python = _PYTHON.search(text)
    named = python or _CLASS.search(text)
    if named is None or (python is None and named[1] not in {"TooManyRequests", "ServerError"}):
        return None
    if named[1] == "TooManyRequests":
        return Reason("rate-limited", named[1])
    return Reason("generation-failed", named[1], hint=_LATER)


def _of_words(words: str) -> Reason:
    """What an error without an HTTP status says."""
    code = next((code for code, marks in _PLAIN if re.search(marks, words, re.IGNORECASE)), "generation-failed")
    return Reason(code, words, hint=_LATER if "failed to decode" in words else None)


def _of_http(status: int, phrase: str, body: str) -> Reason:
    error = _error_of(body)
    names = {error.get("code"), error.get("type")} if error else set(_NAMED.findall(body))
    words = _message(body, error) or f"HTTP {status} {phrase}".rstrip()
    if names & _LIMIT_NAMES:
        return Reason("usage-limit", words, unix_time(error.get("resets_at")))
    if names & _MODERATION_NAMES or _BLOCKED.search(body) or "guardrails" in words:
        return Reason("moderation", words)
    if status == 429 or names & _RATE_NAMES:
        return Reason("rate-limited", words)
    if status in {401, 408}:
        return Reason("not-logged-in" if status == 401 else "network", words)
    return Reason("generation-failed", words, hint=_hint(status, words))


def _hint(status: int, words: str) -> str | None:
    """What to do about a request that the endpoint did not take."""
    if _OPAQUE.search(words):
        return "leave --transparent out: the model that draws has no transparency"
    if status >= 500:
        return _LATER
    return _BY_STATUS.get(status) or (_REFUSED if 400 <= status < 500 else None)


def _message(body: str, error: dict[str, Any]) -> str:
    """What the body says for a person; nothing where it is a web page, or JSON that says nothing."""
    if error.get("message"):
        return clip(error["message"])
    fields = parse_object(body)
    if fields:
        return next((clip(fields[key]) for key in ("detail", "message", "error") if clip(fields.get(key))), "")
    return "" if _HTML.match(body) else clip(body).strip()


def _body(told: str) -> str:
    """The body of an answer as Codex prints it: ``Some("…")``, ``None``, or as it is."""
    quoted = re.match(r"Some\((\".*\")\)", told, re.DOTALL)
    if quoted:
        return _rust_string(quoted[1])
    return "" if re.match(r"None\b", told) else told


def _error_of(body: str) -> dict[str, Any]:
    error = as_object((parse_object(body) or {}).get("error"))
    return error if all(_is_plain(error.get(key)) for key in ("code", "type")) else {}


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int))


def _rust_string(quoted: str) -> str:
    """A string as Rust's ``{:?}`` prints it."""
    plain = re.sub(r"\\u\{([0-9a-fA-F]{1,6})\}", lambda m: chr(min(int(m[1], 16), 0x10FFFF)), quoted)
    try:
        return str(json.loads(plain.replace("\\'", "'"), strict=False))
    except (ValueError, RecursionError):
        return quoted
