"""A client of RunComfy's Model API: submit, status, result and cancel."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field

from codex_imagegen.errors import ImagegenError, RunComfyError, RunComfyRetry, RunComfyUpstream
from codex_imagegen.runcomfy import inputs, responses
from codex_imagegen.runcomfy.deadline import CallTimeout, Deadline
from codex_imagegen.runcomfy.http import ConnectFailed, ConnectionBroken, Transport, UntrustedCertificate, read_body
from codex_imagegen.runcomfy.responses import Response
from codex_imagegen.runcomfy.token import Token
from codex_imagegen.values import as_text

MAX_BODY_BYTES = 8 * 1024 * 1024
GET_SEC = 30.0
"""How long a GET may take; a slower answer counts as none."""
POST_SEC = 120.0
"""How long a submit may take, which sends up to 64 MiB of references."""
GRACE_SEC = 5.0
"""How long a run that is stopped during a submit still waits for the request's id."""

INSECURE_HINT = "check whether a proxy changes the certificate, and whether the system's certificates are up to date"
UNKNOWN_HINT = "check your generations on runcomfy.com before you try again: it may have been made and billed"


class TemporaryFailure(Exception):
    """A failure of a GET that may be retried; ``error`` is for the case that retries don't help."""

    def __init__(self, error: ImagegenError, retry_after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a request: RunComfy's name for it, its state, and the position in the queue."""

    name: str
    state: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class JobResult:
    """The output of a successful request, and its cost in US dollars if RunComfy reports one."""

    output: object = field(repr=False)
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class CancelResult:
    """The result of a cancel: ``outcome`` is cancelled, not_cancellable, or None if unknown, with a reason."""

    outcome: str | None
    reason: str | None = None


class Client:
    """The API for one account. The token is sent to the API's base only, and never to a redirect."""

    def __init__(self, base: str, token: Token, transport: Transport) -> None:
        self.base = base
        self.transport = transport
        self.hide = token.hide
        self._token = token

    def submit(self, submission: inputs.Submission, deadline: Deadline) -> str:
        """Submit once and return the request's id.

        Raises errors of the tree; ``spent`` is None if it is unknown whether the request arrived.
        """
        try:
            answer = self._call("POST", f"models/{submission.model}", deadline, body=submission.body, grace=GRACE_SEC)
        except UntrustedCertificate as error:
            raise RunComfyUpstream(f"the connection to RunComfy is not secure: {error}", hint=INSECURE_HINT) from error
        except ConnectFailed as error:
            raise RunComfyRetry(f"RunComfy can't be reached: {error}", hint="check the network") from error
        except (ConnectionBroken, CallTimeout) as error:
            reason = str(error) or f"no answer within {POST_SEC:.0f} s"
            raise RunComfyRetry(
                f"the state of the request is unknown: {reason}", hint=UNKNOWN_HINT, spent=None
            ) from error
        if failure := responses.find_error(answer):
            if failure.spent is None:
                failure.hint = UNKNOWN_HINT
            raise failure
        return _read_request_id(answer)

    def status(self, request_id: str, deadline: Deadline) -> Status:
        """Ask for the request's status.

        Raises :class:`TemporaryFailure` if a retry may help, and errors of the tree if not.
        """
        answer = self._get(f"requests/{request_id}/status", deadline)
        _raise_error(answer)
        if answer.state is None:
            raise _invalid_response(answer)
        position = answer.fields.get("queue_position")
        known = isinstance(position, int) and not isinstance(position, bool) and 0 <= position < 10**9
        return Status(
            answer.text("status", limit=40),
            answer.state,
            position if known else None,  # type: ignore[arg-type]
        )

    def result(self, request_id: str, deadline: Deadline) -> JobResult | None:
        """Ask for the request's result; None if there is none yet.

        Raises as :meth:`status` does, and the error of a failed job.
        """
        path = f"requests/{request_id}/result"
        answer = self._get(f"{path}?include_cost=true", deadline)
        if answer.status in (400, 404, 422) and answer.error_code is None:
            answer = self._get(path, deadline)  # include_cost is in no documentation
        if answer.error_code == responses.NOT_READY:
            return None
        if answer.status == 200 and answer.state in (responses.FAILED, responses.CANCELLED):
            raise responses.job_error(answer)
        if not (answer.status == 200 and answer.state == responses.SUCCEEDED):
            _raise_error(answer)
        if answer.state is None:
            raise _invalid_response(answer)
        if answer.state == responses.WAITING:
            return None
        return JobResult(answer.fields.get("output"), responses.read_cost(answer.fields))

    def cancel(self, request_id: str, deadline: Deadline) -> CancelResult:
        """Cancel the request, which works only while it is queued; raises errors of the tree."""
        try:
            answer = self._call("POST", f"requests/{request_id}/cancel", deadline)
        except (ConnectionBroken, CallTimeout) as error:
            return CancelResult(None, str(error) or "there was no answer")
        if failure := responses.find_error(answer):
            raise failure
        outcome = answer.fields.get("outcome") or answer.fields.get("status")
        if outcome in ("cancelled", "not_cancellable"):
            return CancelResult(str(outcome))
        return CancelResult(None, "the answer does not say")

    def _get(self, path: str, deadline: Deadline) -> Response:
        try:
            return self._call("GET", path, deadline)
        except (ConnectionBroken, CallTimeout) as error:
            reason = str(error) or f"no answer within {GET_SEC:.0f} s"
            raise TemporaryFailure(
                RunComfyRetry(f"RunComfy can't be reached: {reason}", hint="check the network")
            ) from error

    def _call(self, method: str, path: str, deadline: Deadline, *, body: object = None, grace: float = 0.0) -> Response:
        headers = {"Accept": "application/json", **self._token.header()}
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        limit = GET_SEC if data is None else POST_SEC

        def work(abandoned: threading.Event) -> Response:
            url = f"{self.base}/{path}"
            with self.transport.open(method, url, headers, body=data, read_sec=limit) as response:
                content = b"".join(read_body(response, MAX_BODY_BYTES, abandoned))
                if len(content) > MAX_BODY_BYTES:
                    content = b""
                return responses.parse(response.status, content, response.headers.get("Retry-After"), self.hide)

        return deadline.call(work, limit=limit, grace=grace, spent=None if data is not None else False)


def _read_request_id(answer: Response) -> str:
    given = as_text(answer.fields.get("request_id"))
    try:
        return inputs.check_request_id(given or "")
    except RunComfyError:
        raise RunComfyUpstream(
            f"RunComfy accepted the request, but returned no usable id (HTTP {answer.status})",
            hint=UNKNOWN_HINT,
            spent=None,
        ) from None


def _raise_error(answer: Response) -> None:
    """Raise the error in the answer to a GET, if any, as a temporary failure if a retry may help."""
    failure = responses.find_error(answer, spent=None)
    if isinstance(failure, (RunComfyRetry, RunComfyUpstream)):
        raise TemporaryFailure(failure, answer.retry_after)
    if failure is not None:
        raise failure


def _invalid_response(answer: Response) -> TemporaryFailure:
    return TemporaryFailure(RunComfyUpstream(f"RunComfy's answer is invalid (HTTP {answer.status})", spent=None))
