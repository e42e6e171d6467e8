"""Interpret RunComfy's answers, with bodies of any shape; nothing here does I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time

from codex_imagegen.errors import (
    GenerationFailed,
    ImagegenError,
    Moderation,
    NoPicture,
    RunComfyAuth,
    RunComfyInput,
    RunComfyRetry,
    RunComfyUpstream,
    RunComfyUsage,
    UsageLimit,
)
from codex_imagegen.runcomfy.token import SIGN_IN_HINT
from codex_imagegen.values import as_number, as_object, as_text
from codex_imagegen.values import parse as parse_json

MAX_TEXT_CHARS = 300
"""How many characters of RunComfy's own text a message repeats."""

WAITING, SUCCEEDED, FAILED, CANCELLED = "waiting", "succeeded", "failed", "cancelled"
STATES = {
    "completed": SUCCEEDED,
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "cancelled": CANCELLED,
    "canceled": CANCELLED,
}
NOT_READY = 400005
_BY_CODE: dict[int, tuple[type[ImagegenError], str]] = {
    400001: (RunComfyUsage, "RunComfy says that this id is malformed"),
    400002: (UsageLimit, "the RunComfy account has no balance left"),
    400004: (RunComfyAuth, "RunComfy refuses the token"),
    403001: (RunComfyAuth, "RunComfy says that this is not yours"),
    404001: (RunComfyInput, "RunComfy knows no such request or model, or it has expired"),
}
_BY_STATUS: dict[int, tuple[type[ImagegenError], str]] = {
    401: _BY_CODE[400004],
    402: _BY_CODE[400002],
    403: (RunComfyAuth, "RunComfy refuses the token, or it lacks a permission"),
    404: _BY_CODE[404001],
    408: (RunComfyRetry, "RunComfy waited too long for the request"),
    429: (RunComfyRetry, "RunComfy received too many requests"),
}
_HINTS: dict[type[ImagegenError], str] = {
    RunComfyAuth: SIGN_IN_HINT,
    RunComfyRetry: "try again in a while",
    RunComfyUpstream: "try again in a while",
    UsageLimit: "add to the balance on runcomfy.com",
}
_MODERATION = ("moderation", "moderated", "safety", "content policy", "content_policy", "nsfw")

_MESSAGE_KEYS = ("error_message", "message", "error", "detail")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer's status, its JSON body (None if it was not JSON), and the seconds of its Retry-After.

    The body is not in ``repr``: at a login, it holds the token. ``hide`` removes secrets from RunComfy's text.
    """

    status: int
    body: object = field(default=None, repr=False)
    retry_after: float | None = None
    hide: Callable[[str], str] = field(default=str, repr=False)

    @property
    def fields(self) -> dict[str, object]:
        """The body if it is an object, and an empty dict if not."""
        return as_object(self.body)

    @property
    def error_code(self) -> int | None:
        """RunComfy's own error number, which any HTTP status may have, including 200."""
        code = self.fields.get("error_code")
        if isinstance(code, str) and code.isdecimal() and len(code) < 12:
            code = int(code)
        return code if isinstance(code, int) and not isinstance(code, bool) and code != 0 else None

    @property
    def state(self) -> str | None:
        """The body's ``status`` as one of the four states; an unknown one is waiting, and a missing one None."""
        word = as_text(self.fields.get("status"))
        return STATES.get(word.lower(), WAITING) if word else None

    def text(self, *keys: str, limit: int = MAX_TEXT_CHARS) -> str:
        """RunComfy's own text under these keys, fit to be repeated in a message."""
        return collect_text([self.fields.get(key) for key in keys], limit, self.hide)


def parse(status: int, body: bytes, retry_after: str | None = None, hide: Callable[[str], str] = str) -> Response:
    """Make a response of a status, a body and a Retry-After header of any shape."""
    return Response(status, parse_json(body), parse_retry_after(retry_after), hide)


def parse_retry_after(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After header, which is a number or a date; None if it is neither."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def find_error(answer: Response, *, spent: bool | None = False) -> ImagegenError | None:
    """The error that an answer reports, or None; ``spent`` is used for 4xx only, and is None for the rest.

    RunComfy's own error number takes precedence over the HTTP status: a bad token can be an HTTP 400.
    """
    code = answer.error_code
    if code is None and 200 <= answer.status < 300:
        return None
    status = code // 1000 if code is not None and 200 <= answer.status < 300 else answer.status
    kind, sentence = _BY_CODE.get(code or 0) or _BY_STATUS.get(status) or _by_class(status)
    message = answer.text(*_MESSAGE_KEYS)
    if kind in (RunComfyUpstream, RunComfyRetry):
        sentence = f"{sentence} (HTTP {answer.status})"
    if not 400 <= status < 500 or status == 408:
        spent = None
    return kind(f"{sentence}: {message}" if message else sentence, hint=_HINTS.get(kind), spent=spent)


def job_error(answer: Response) -> ImagegenError:
    """The error of a failed or cancelled job, with RunComfy's reason, which may have any shape."""
    cost = read_cost(answer.fields)
    spent = None if cost is None else cost > 0
    if answer.state == CANCELLED:
        return NoPicture("the RunComfy request was cancelled", hint="try again", spent=spent)
    reason = answer.text("error") or answer.text(*_MESSAGE_KEYS)
    if any(mark in reason.lower() for mark in _MODERATION):
        return Moderation(f"RunComfy blocked the picture: {reason}", hint="change the prompt", spent=spent)
    return GenerationFailed(
        f"RunComfy failed to make the picture: {reason or 'it gives no reason'}",
        hint="change the prompt, or try again",
        spent=spent,
    )


def read_cost(fields: dict[str, object]) -> float | None:
    """The cost of the request in US dollars, if the result reports it."""
    cost = as_number(fields.get("cost"))
    return float(cost) if cost is not None and cost >= 0 else None


def collect_text(value: object, limit: int = MAX_TEXT_CHARS, hide: Callable[[str], str] = str) -> str:
    """Join the strings in a JSON value of any shape, in order, to at most ``limit`` characters; applies ``hide``."""
    parts: list[str] = []
    chars_left, pending = limit, [value]
    while pending and chars_left > 0:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(reversed(item.values()))
        elif isinstance(item, list):
            pending.extend(reversed(item))
        elif isinstance(item, str) and item.strip() and (part := hide(item)[:chars_left]) not in parts:
            parts.append(part)
            chars_left -= len(part)
    text = " ".join("; ".join(parts).split())
    return text if chars_left > 0 and len(text) <= limit else f"{text[: limit - 1]}…"


def _by_class(status: int) -> tuple[type[ImagegenError], str]:
    if 400 <= status < 500:
        return RunComfyInput, f"RunComfy refuses the input (HTTP {status})"
    return RunComfyUpstream, "RunComfy answered with an error"
