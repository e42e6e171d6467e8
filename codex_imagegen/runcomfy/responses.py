"""What an answer of RunComfy's means: pure, and prepared for bodies of any shape."""

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
from codex_imagegen.runcomfy.token import SIGN_IN
from codex_imagegen.values import as_number, as_object, as_text
from codex_imagegen.values import parse as parse_json

MAX_WORDS = 300
"""How many characters of the other side's own words are repeated."""

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
    400001: (RunComfyUsage, "RunComfy says that this id can't be one"),
    400002: (UsageLimit, "the RunComfy account has no balance left"),
    400004: (RunComfyAuth, "RunComfy refuses the token"),
    403001: (RunComfyAuth, "RunComfy says that this is not yours"),
    404001: (RunComfyInput, "RunComfy knows no such request or model, or it has expired"),
}
_BY_STATUS: dict[int, tuple[type[ImagegenError], str]] = {
    401: _BY_CODE[400004],
    402: _BY_CODE[400002],
    403: (RunComfyAuth, "RunComfy refuses the token, or what it may do"),
    404: _BY_CODE[404001],
    408: (RunComfyRetry, "RunComfy waited too long for the request"),
    429: (RunComfyRetry, "RunComfy gets too many requests"),
}
_HINTS: dict[type[ImagegenError], str] = {
    RunComfyAuth: SIGN_IN,
    RunComfyRetry: "try again in a while",
    RunComfyUpstream: "try again in a while",
    UsageLimit: "add to the balance on runcomfy.com",
}
_MODERATION = ("moderation", "moderated", "safety", "content policy", "content_policy", "nsfw")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer's status, its body as JSON (None where it was none), and the seconds of its Retry-After.

    The body is in no ``repr``: at a login, the token is in it. ``hide`` takes what is secret out of their words.
    """

    status: int
    body: object = field(default=None, repr=False)
    retry_after: float | None = None
    hide: Callable[[str], str] = field(default=str, repr=False)

    @property
    def fields(self) -> dict[str, object]:
        """The body's keys, and none where it is no object."""
        return as_object(self.body)

    @property
    def error_code(self) -> int | None:
        """RunComfy's own number of an error, which may come along with any HTTP status, 200 among them."""
        code = self.fields.get("error_code")
        if isinstance(code, str) and code.isdecimal() and len(code) < 12:
            code = int(code)
        return code if isinstance(code, int) and not isinstance(code, bool) and code != 0 else None

    @property
    def state(self) -> str | None:
        """The word of ``status`` as one of ours; an unknown word is waiting, and None is no word at all."""
        word = as_text(self.fields.get("status"))
        return STATES.get(word.lower(), WAITING) if word else None

    def words(self, *keys: str, limit: int = MAX_WORDS) -> str:
        """What the other side says under these keys, fit to be repeated."""
        return words([self.fields.get(key) for key in keys], limit, self.hide)


def parse(status: int, body: bytes, retry_after: str | None = None, hide: Callable[[str], str] = str) -> Response:
    """The answer for a status, a body and a Retry-After header, whatever they are."""
    return Response(status, parse_json(body), seconds(retry_after), hide)


def seconds(retry_after: str | None) -> float | None:
    """The seconds that a Retry-After header means, by number or by date; None where it has no meaning."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def refusal(answer: Response, *, spent: bool | None = False) -> ImagegenError | None:
    """The error that an answer means, or None for one that is in order; ``spent`` is kept for 4xx alone.

    RunComfy's own number comes before the HTTP status: a bad token arrives as HTTP 400 as well.
    """
    code = answer.error_code
    if code is None and 200 <= answer.status < 300:
        return None
    status = code // 1000 if code is not None and 200 <= answer.status < 300 else answer.status
    kind, sentence = _BY_CODE.get(code or 0) or _BY_STATUS.get(status) or _by_class(status)
    told = answer.words(*_TELLING)
    if kind in (RunComfyUpstream, RunComfyRetry):
        sentence = f"{sentence} (HTTP {answer.status})"
    unknown = not 400 <= status < 500 or status == 408
    return kind(f"{sentence}: {told}" if told else sentence, hint=_HINTS.get(kind), spent=None if unknown else spent)


def failure(answer: Response) -> ImagegenError:
    """The error for a job that RunComfy says has failed or was cancelled, with its reason of any shape."""
    cost = cost_of(answer.fields)
    spent = None if cost is None else cost > 0
    if answer.state == CANCELLED:
        return NoPicture("the RunComfy request was cancelled", hint="ask again", spent=spent)
    told = answer.words("error") or answer.words(*_TELLING)
    if any(mark in told.lower() for mark in _MODERATION):
        return Moderation(f"RunComfy blocked the picture: {told}", hint="change the prompt", spent=spent)
    return GenerationFailed(
        f"RunComfy failed to make the picture: {told or 'it gives no reason'}",
        hint="change the prompt, or try again",
        spent=spent,
    )


def cost_of(fields: dict[str, object]) -> float | None:
    """What the request cost in US dollars, where the result says so."""
    cost = as_number(fields.get("cost"))
    return float(cost) if cost is not None and cost >= 0 else None


_TELLING = ("error_message", "message", "error", "detail")


def words(value: object, limit: int = MAX_WORDS, hide: Callable[[str], str] = str) -> str:
    """The text in a JSON value of any shape, in its order, at most ``limit`` characters long, and ``hide`` applied."""
    found: list[str] = []
    room, ahead = limit, [value]
    while ahead and room > 0:
        item = ahead.pop()
        if isinstance(item, dict):
            ahead.extend(reversed(item.values()))
        elif isinstance(item, list):
            ahead.extend(reversed(item))
        elif isinstance(item, str) and item.strip() and (text := hide(item)[:room]) not in found:
            found.append(text)
            room -= len(text)
    text = " ".join("; ".join(found).split())
    return text if room > 0 and len(text) <= limit else f"{text[: limit - 1]}…"


def _by_class(status: int) -> tuple[type[ImagegenError], str]:
    if 400 <= status < 500:
        return RunComfyInput, f"RunComfy refuses the input (HTTP {status})"
    return RunComfyUpstream, "RunComfy answered with an error"
