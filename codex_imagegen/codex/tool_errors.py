"""What the image tool, or the endpoint behind it, says in place of a picture.

From 0.144 on the tool is Codex's own and prints the endpoint's answer as Rust's ``Debug`` does: ``http 502 Bad Gateway:
Some("…")``, or ``None`` where the answer had no body that could be read (seen with 0.144.6, 0.149.1 and 0.169.0).

Up to 0.143 the tool runs behind OpenAI's API. What it says there is seen in three places alone (0.118.0, 0.134.0 and
0.141.0): the error of the turn, the ``result`` of an item that failed, and the model's own words, which repeat it.
"""

from __future__ import annotations

import json
import re
from typing import Any

from codex_imagegen.codex.error_patterns import Reason, clip, json_object, unix_time

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
    fields = json_object(body)
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
    error = json_object(body).get("error")
    return error if isinstance(error, dict) and all(_is_plain(error.get(key)) for key in ("code", "type")) else {}


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int))


def _rust_string(quoted: str) -> str:
    """A string as Rust's ``{:?}`` prints it."""
    plain = re.sub(r"\\u\{([0-9a-fA-F]{1,6})\}", lambda m: chr(min(int(m[1], 16), 0x10FFFF)), quoted)
    try:
        return str(json.loads(plain.replace("\\'", "'"), strict=False))
    except (ValueError, RecursionError):
        return quoted
