"""RunComfy's Model API: submit, status, result, cancel; each is one call, and its answer has a meaning."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field

from codex_imagegen.errors import ImagegenError, RunComfyError, RunComfyRetry, RunComfyUpstream
from codex_imagegen.runcomfy import inputs, responses
from codex_imagegen.runcomfy.deadline import Deadline, Slow
from codex_imagegen.runcomfy.http import ConnectionBroken, Transport, Unsent, Untrusted, read
from codex_imagegen.runcomfy.responses import Response
from codex_imagegen.runcomfy.token import Token

MAX_BODY_BYTES = 8 * 1024 * 1024
GET_SEC = 30.0
"""How long one question may take; a slower answer counts as none."""
POST_SEC = 120.0
"""How long a submit may take, with up to 64 MiB of references on their way."""
GRACE_SEC = 5.0
"""How long the id of a request that is being submitted is still waited for when the run is stopped."""

UNKNOWN = "look at your generations on runcomfy.com before you ask again: it may have been made and billed"


class TemporaryFailure(Exception):
    """A question that may be asked again; ``error`` is for the case that this does not help."""

    def __init__(self, error: ImagegenError, retry_after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Status:
    """Where a request stands: RunComfy's own name for its state, its meaning, and the place in the queue."""

    name: str
    state: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A request that ended well: what it put out, and what it cost in US dollars where that was told."""

    output: object = field(repr=False)
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of a cancel: ``outcome`` is cancelled, not_cancellable, or None where it is unknown."""

    outcome: str | None
    why: str | None = None


class Client:
    """One account's view of the API. The token goes to the API's base alone, and into no redirect."""

    def __init__(self, base: str, token: Token, transport: Transport) -> None:
        self.base = base
        self.transport = transport
        self.hide = token.hide
        self._token = token

    def submit(self, order: inputs.Order, patience: Deadline) -> str:
        """Submit once and give back the request's id.

        Raises the tree's errors; where it is unknown whether the request arrived, their ``spent`` is None.
        """
        try:
            answer = self._call("POST", f"models/{order.model}", patience, body=order.body, grace=GRACE_SEC)
        except Untrusted as error:
            raise RunComfyUpstream(f"RunComfy can't be trusted: {error}", hint="check the network's TLS") from error
        except Unsent as error:
            raise RunComfyRetry(f"RunComfy can't be reached: {error}", hint="check the network") from error
        except (ConnectionBroken, Slow) as error:
            why = str(error) or f"no answer within {POST_SEC:.0f} s"
            raise RunComfyRetry(f"what became of the request is unknown: {why}", hint=UNKNOWN, spent=None) from error
        if refused := responses.refusal(answer):
            if refused.spent is None:
                refused.hint = UNKNOWN
            raise refused
        return _request_id(answer)

    def status(self, request_id: str, patience: Deadline) -> Status:
        """Where the request stands.

        Raises :class:`TemporaryFailure` for what may pass, and the tree's errors for what will not.
        """
        answer = self._get(f"requests/{request_id}/status", patience)
        _refuse(answer)
        if answer.state is None:
            raise _unreadable(answer)
        position = answer.fields.get("queue_position")
        known = isinstance(position, int) and not isinstance(position, bool) and 0 <= position < 10**9
        return Status(
            answer.words("status", limit=40),
            answer.state,
            position if known else None,  # type: ignore[arg-type]
        )

    def result(self, request_id: str, patience: Deadline) -> Finished | None:
        """What came of the request, or None while nothing has.

        Raises as :meth:`status` does, and the error of a job that failed.
        """
        path = f"requests/{request_id}/result"
        answer = self._get(f"{path}?include_cost=true", patience)
        if answer.status in (400, 404, 422) and answer.error_code is None:
            answer = self._get(path, patience)  # the question for the cost is in no documentation
        if answer.error_code == responses.NOT_READY:
            return None
        if answer.status == 200 and answer.state in (responses.FAILED, responses.CANCELLED):
            raise responses.failure(answer)
        if not (answer.status == 200 and answer.state == responses.SUCCEEDED):
            _refuse(answer)
        if answer.state is None:
            raise _unreadable(answer)
        if answer.state == responses.WAITING:
            return None
        return Finished(answer.fields.get("output"), responses.cost_of(answer.fields))

    def cancel(self, request_id: str, patience: Deadline) -> Cancelled:
        """Ask for the request to be cancelled, which only a queued one can be; raises the tree's errors."""
        try:
            answer = self._call("POST", f"requests/{request_id}/cancel", patience)
        except (ConnectionBroken, Slow) as error:
            return Cancelled(None, str(error) or "no answer came")
        if refused := responses.refusal(answer):
            raise refused
        said = answer.fields.get("outcome") or answer.fields.get("status")
        if said in ("cancelled", "not_cancellable"):
            return Cancelled(str(said))
        return Cancelled(None, "the answer does not say")

    def _get(self, path: str, patience: Deadline) -> Response:
        try:
            return self._call("GET", path, patience)
        except (ConnectionBroken, Slow) as error:
            why = str(error) or f"no answer within {GET_SEC:.0f} s"
            raise TemporaryFailure(
                RunComfyRetry(f"RunComfy can't be reached: {why}", hint="check the network")
            ) from error

    def _call(self, method: str, path: str, patience: Deadline, *, body: object = None, grace: float = 0.0) -> Response:
        headers = {"Accept": "application/json", **self._token.header()}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        limit = GET_SEC if data is None else POST_SEC

        def work(abandoned: threading.Event) -> Response:
            url = f"{self.base}/{path}"
            with self.transport.open(method, url, headers, body=data, read_sec=limit) as response:
                pieces = b"".join(read(response, MAX_BODY_BYTES, abandoned))
                if len(pieces) > MAX_BODY_BYTES:
                    pieces = b""
                return responses.parse(response.status, pieces, response.headers.get("Retry-After"), self.hide)

        return patience.call(work, limit=limit, grace=grace, spent=None if data is not None else False)


def _request_id(answer: Response) -> str:
    given = answer.fields.get("request_id")
    try:
        return inputs.request_id(given if isinstance(given, str) else "")
    except RunComfyError:
        raise RunComfyUpstream(
            f"RunComfy took the request and gave no usable id for it (HTTP {answer.status})",
            hint=UNKNOWN,
            spent=None,
        ) from None


def _refuse(answer: Response) -> None:
    """Raise what a question's answer means, as a hiccup where it may pass."""
    refused = responses.refusal(answer, spent=None)
    if isinstance(refused, (RunComfyRetry, RunComfyUpstream)):
        raise TemporaryFailure(refused, answer.retry_after)
    if refused is not None:
        raise refused


def _unreadable(answer: Response) -> TemporaryFailure:
    return TemporaryFailure(RunComfyUpstream(f"RunComfy's answer makes no sense (HTTP {answer.status})", spent=None))
