"""Signing in by device code: a code to confirm in a browser, and polls until somebody has."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from codex_imagegen.errors import RunComfyAuth, RunComfyRetry, RunComfyUpstream
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.runcomfy import responses
from codex_imagegen.runcomfy.deadline import Deadline, DeadlineExceeded, Slow
from codex_imagegen.runcomfy.http import ConnectionBroken, Transport, read
from codex_imagegen.runcomfy.responses import Response
from codex_imagegen.runcomfy.token import Token, parse
from codex_imagegen.values import as_text

POLL_SEC = 2.0
CALL_SEC = 30.0
START_SEC = 60.0
MAX_SEC = 1800.0
"""A code that is said to last longer is waited for no longer than this."""
_MAX_BODY_BYTES = 1 << 20
AGAIN = "run `codex-imagegen runcomfy login` again"


@dataclass(frozen=True, slots=True)
class Code:
    """What somebody confirms: the page to open, and the code that it must show; the third stays with us."""

    verify_url: str
    user_code: str
    device_code: str = field(repr=False)
    expires_in: float = MAX_SEC
    poll_interval: float = POLL_SEC


class Login:
    """One sign-in against a web base; :meth:`run` gives back what was authorised."""

    def __init__(self, web_base: str, interrupt: Interrupt) -> None:
        self._web = web_base
        self._interrupt = interrupt
        self._transport = Transport()

    def run(self, show: Callable[[Code], None]) -> Token:
        """Begin, have the code shown, and wait for it to be confirmed.

        Raises :class:`RunComfyAuth` when it was denied or has expired, :class:`RunComfyUpstream` and
        :class:`RunComfyRetry` when RunComfy can't be understood or reached, and :class:`Interrupted`.
        """
        code = self._start()
        show(code)
        patience = Deadline(self._interrupt, time.monotonic() + code.expires_in)
        try:
            while (found := self._poll(code, patience)) is None:
                patience.pause(code.poll_interval, spent=False)
        except DeadlineExceeded:
            raise _expired() from None
        finally:
            self._transport.close()
        return found

    def _start(self) -> Code:
        patience = Deadline(self._interrupt, time.monotonic() + START_SEC)
        try:
            answer = self._post("start", patience)
        except (ConnectionBroken, Slow, DeadlineExceeded) as error:
            raise RunComfyRetry(f"RunComfy can't be reached: {error}", hint="check the network") from error
        if refused := responses.refusal(answer):
            refused.spent = False
            raise refused
        return _code(answer, self._web)

    def _poll(self, code: Code, patience: Deadline) -> Token | None:
        """The token, or None while nobody has confirmed; what may pass is asked again."""
        try:
            answer = self._post("poll", patience, {"device_code": code.device_code})
        except (ConnectionBroken, Slow):
            return None
        match answer.fields.get("status"):
            case "authorized":
                return parse(answer.fields.get("access_token"), "RunComfy's answer")
            case "denied":
                raise RunComfyAuth("the sign-in was denied", hint=AGAIN)
            case "expired":
                raise _expired()
        if answer.status == 410:
            raise _expired()
        refused = responses.refusal(answer)
        if refused and not isinstance(refused, (RunComfyRetry, RunComfyUpstream)):
            raise refused
        return None

    def _post(self, step: str, patience: Deadline, body: dict[str, str] | None = None) -> Response:
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
        data = json.dumps(body).encode() if body else None

        def work(abandoned: threading.Event) -> Response:
            url = f"{self._web}/api/cli-auth/{step}"
            with self._transport.open("POST", url, headers, body=data, read_sec=CALL_SEC) as response:
                return responses.parse(response.status, b"".join(read(response, _MAX_BODY_BYTES, abandoned)))

        return patience.call(work, limit=CALL_SEC)


def _code(answer: Response, web_base: str) -> Code:
    fields = answer.fields
    device, user, url = (as_text(fields.get(key)) for key in ("device_code", "user_code", "verify_url"))
    if device is None or user is None or url is None:
        raise RunComfyUpstream("RunComfy's answer to the sign-in makes no sense", hint="try again in a while")
    if not url.isprintable() or not url.startswith(("https://", f"{web_base}/")):
        raise RunComfyUpstream("RunComfy's sign-in names a page that is not https", hint="try again in a while")
    return Code(
        responses.words(url, 2000),
        responses.words(user, 100),
        device,
        _between(fields.get("expires_in"), 1.0, MAX_SEC, MAX_SEC),
        _between(fields.get("poll_interval"), POLL_SEC, 30.0, POLL_SEC),
    )


def _between(value: object, low: float, high: float, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    return float(min(max(low, value), high))  # in this order, a NaN is low


def _expired() -> RunComfyAuth:
    return RunComfyAuth("nobody confirmed the code in time", hint=AGAIN)
