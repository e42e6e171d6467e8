"""One request from submit to result: polled through temporary failures, and cancelled when the run is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from codex_imagegen import render
from codex_imagegen.errors import ImagegenError, Interrupted, RunComfyAuth, RunComfyInput
from codex_imagegen.runcomfy import responses
from codex_imagegen.runcomfy.client import UNKNOWN_HINT, CancelResult, Client, JobResult, Status, TemporaryFailure
from codex_imagegen.runcomfy.deadline import Deadline, DeadlineExceeded
from codex_imagegen.runcomfy.inputs import Submission
from codex_imagegen.runcomfy.responses import Response

POLL_SEC = 2.0
"""Seconds between two polls, as in RunComfy's own clients; the first poll is sent at once."""
MAX_FAILING_SEC = 120.0
"""How long polls may fail in a row before the run is given up; the request goes on."""
CANCEL_SEC = 5.0
"""How long a stopped run takes at most to cancel its request."""


def submit(client: Client, order: Submission, deadline: Deadline) -> str:
    """Submit a request and return its id; if the run is stopped meanwhile, the error says what is known of it."""
    try:
        return client.submit(order, deadline)
    except (Interrupted, DeadlineExceeded) as stop:
        if stop.spent is None:
            _extend(stop, "the request was being submitted, and its state is unknown", UNKNOWN_HINT, spent=None)
        raise


def wait(client: Client, request_id: str, deadline: Deadline, on_change: Callable[[Status], None]) -> JobResult:
    """Poll until the request has succeeded; raises the error that it failed with, or that ended the waiting.

    ``on_change`` gets each status that differs from the one before. The result decides: a request that /status calls
    completed may have failed.
    """
    last_success, last_status = time.monotonic(), None
    while True:
        pause = POLL_SEC
        try:
            status = client.status(request_id, deadline)
            if status != last_status:
                on_change(status)
            last_status = status
            if status.state != responses.WAITING and (result := _fetch_result(client, request_id, deadline, status)):
                return result
            last_success = time.monotonic()
        except TemporaryFailure as failure:
            if time.monotonic() - last_success > MAX_FAILING_SEC:
                _add_request(failure.error, request_id)
                raise failure.error from failure
            pause = max(POLL_SEC, failure.retry_after or 0.0)
        except (RunComfyAuth, RunComfyInput) as error:
            _add_request(error, request_id)
            raise
        deadline.pause(pause)


@contextmanager
def cancel_on_stop(client: Client, request_id: str, deadline: Deadline) -> Iterator[None]:
    """If a stop ends the block, cancel the request and add the outcome to the error."""
    try:
        yield
    except (Interrupted, DeadlineExceeded) as stop:
        _extend(stop, *_cancel(client, request_id, deadline))
        raise


@contextmanager
def keep_on_stop(request_id: str) -> Iterator[None]:
    """If a stop ends the block, leave the request alone and add the command that fetches its picture."""
    try:
        yield
    except (Interrupted, DeadlineExceeded) as stop:
        _extend(stop, f"the request {request_id} goes on", fetch_hint(request_id), spent=True)
        raise


def fetch_hint(request_id: str) -> str:
    """The hint with the command that fetches the picture of a paid request."""
    return f"fetch it with:\ncodex-imagegen runcomfy wait {request_id}"


def _fetch_result(client: Client, request_id: str, deadline: Deadline, status: Status) -> JobResult | None:
    result = client.result(request_id, deadline)
    if result is None and status.state in (responses.FAILED, responses.CANCELLED):
        raise responses.job_error(Response(200, {"status": status.name}))  # there will be no result
    return result


def _cancel(client: Client, request_id: str, deadline: Deadline) -> tuple[str, str | None, bool | None]:
    """Cancel the request; returns the outcome as a sentence, a hint, and ``spent``."""
    cancel_deadline = Deadline(deadline.interrupt, time.monotonic() + CANCEL_SEC, ignore_earlier_stop=True)
    try:
        result = client.cancel(request_id, cancel_deadline)
    except ImagegenError as error:
        result = CancelResult(None, error.message)
    if result.outcome == "cancelled":
        return f"the request {request_id} was cancelled before it began", None, False
    if result.outcome == "not_cancellable":
        return (
            f"it was too late to cancel the request {request_id}, which goes on",
            fetch_hint(request_id),
            True,
        )
    return (
        f"whether the request {request_id} was cancelled is unknown: {result.reason}",
        f"check with:\ncodex-imagegen runcomfy status {request_id}",
        None,
    )


def _extend(error: ImagegenError, addition: str, hint: str | None, spent: bool | None) -> None:
    error.message = f"{error.message.rstrip('.')}; {addition}"
    error.args = (error.message,)
    error.hint, error.spent = hint, spent


def _add_request(error: ImagegenError, request_id: str) -> None:
    """Add the request to the error, and the command that fetches the picture once the cause is gone."""
    error.request_id = request_id
    first = error.hint if isinstance(error, RunComfyAuth) else None
    fetch = fetch_hint(request_id)
    if isinstance(error, RunComfyInput):  # it knows no such request, which may be a wrong id
        fetch = f"if RunComfy still has the request, {fetch}"
    error.hint, error.spent = render.join_hints(first, f"then {fetch}" if first else fetch), None
