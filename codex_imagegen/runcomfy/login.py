"""Sign in by device code: show a code to confirm in a browser, and poll until it is confirmed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from codex_imagegen.errors import RunComfyAuth, RunComfyRetry, RunComfyUpstream
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.runcomfy import responses
from codex_imagegen.runcomfy.deadline import CallTimeout, Deadline, DeadlineExceeded
from codex_imagegen.runcomfy.http import ConnectionBroken, Transport, read_body
from codex_imagegen.runcomfy.responses import Response
from codex_imagegen.runcomfy.token import Token, parse_token
from codex_imagegen.values import as_text

POLL_SEC = 2.0
CALL_SEC = 30.0
START_SEC = 60.0
MAX_SEC = 1800.0
"""The longest wait for a confirmation, even if the code is valid for longer."""
_MAX_BODY_BYTES = 1 << 20
LOGIN_HINT = "sign in again with:\ncodex-imagegen runcomfy login"


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """The page to open and the code that it must show; ``device_code`` is secret and is never shown."""

    verify_url: str
    user_code: str
    device_code: str = field(repr=False)
    expires_in: float = MAX_SEC
    poll_interval: float = POLL_SEC


class Login:
    """One sign-in at a web base; :meth:`run` returns the token."""

    def __init__(self, web_base: str, interrupt: Interrupt) -> None:
        self._web = web_base
        self._interrupt = interrupt
        self._transport = Transport()

    def run(self, show: Callable[[DeviceCode], None]) -> Token:
        """Start a sign-in, show its code, and wait for the confirmation.

        Raises :class:`RunComfyAuth` if it was denied or expired, :class:`RunComfyUpstream` if RunComfy's answer is
        invalid, :class:`RunComfyRetry` if RunComfy can't be reached, and :class:`Interrupted`.
        """
        code = self._start()
        show(code)
        deadline = Deadline(self._interrupt, time.monotonic() + code.expires_in)
        try:
            while (token := self._poll(code, deadline)) is None:
                deadline.pause(code.poll_interval, spent=False)
        except DeadlineExceeded:
            raise _expired_error() from None
        finally:
            self._transport.close()
        return token

    def _start(self) -> DeviceCode:
        deadline = Deadline(self._interrupt, time.monotonic() + START_SEC)
        try:
            answer = self._post("start", deadline)
        except (ConnectionBroken, CallTimeout, DeadlineExceeded) as error:
            raise RunComfyRetry(f"RunComfy can't be reached: {error}", hint="check the network") from error
        if failure := responses.find_error(answer):
            failure.spent = False
            raise failure
        return _read_code(answer, self._web)

    def _poll(self, code: DeviceCode, deadline: Deadline) -> Token | None:
        """Return the token, or None while the code is not confirmed, or after a failure that a retry may help."""
        try:
            answer = self._post("poll", deadline, {"device_code": code.device_code})
        except (ConnectionBroken, CallTimeout):
            return None
        match answer.fields.get("status"):
            case "authorized":
                return parse_token(answer.fields.get("access_token"), "RunComfy's answer")
            case "denied":
                raise RunComfyAuth("the sign-in was denied", hint=LOGIN_HINT)
            case "expired":
                raise _expired_error()
        if answer.status == 410:
            raise _expired_error()
        failure = responses.find_error(answer)
        if failure and not isinstance(failure, (RunComfyRetry, RunComfyUpstream)):
            raise failure
        return None

    def _post(self, step: str, deadline: Deadline, body: dict[str, str] | None = None) -> Response:
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body else {})
        data = json.dumps(body).encode() if body else None

        def work(abandoned: threading.Event) -> Response:
            url = f"{self._web}/api/cli-auth/{step}"
            with self._transport.open("POST", url, headers, body=data, read_sec=CALL_SEC) as response:
                return responses.parse(response.status, b"".join(read_body(response, _MAX_BODY_BYTES, abandoned)))

        return deadline.call(work, limit=CALL_SEC)


def _read_code(answer: Response, web_base: str) -> DeviceCode:
    fields = answer.fields
    device, user, url = (as_text(fields.get(key)) for key in ("device_code", "user_code", "verify_url"))
    if not device or not user or url is None:
        raise RunComfyUpstream("RunComfy's answer to the sign-in is invalid", hint="try again in a while")
    if not url.isprintable() or not url.startswith(("https://", f"{web_base}/")):
        raise RunComfyUpstream("the address of RunComfy's sign-in page is not https", hint="try again in a while")
    return DeviceCode(
        responses.collect_text(url, 2000),
        responses.collect_text(user, 100),
        device,
        _between(fields.get("expires_in"), 1.0, MAX_SEC, MAX_SEC),
        _between(fields.get("poll_interval"), POLL_SEC, 30.0, POLL_SEC),
    )


def _between(value: object, low: float, high: float, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return default
    return float(min(max(low, value), high))  # in this order, a NaN is low


def _expired_error() -> RunComfyAuth:
    return RunComfyAuth("the code was not confirmed in time", hint=LOGIN_HINT)
