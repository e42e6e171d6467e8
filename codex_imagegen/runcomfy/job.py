"""One request from its submit to its end: polled through hiccups, and cancelled when the run is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from codex_imagegen.errors import ImagegenError, Interrupted, RunComfyAuth, RunComfyInput
from codex_imagegen.runcomfy import responses
from codex_imagegen.runcomfy.client import UNKNOWN, Cancelled, Client, Finished, Status, TemporaryFailure
from codex_imagegen.runcomfy.deadline import Deadline, DeadlineExceeded
from codex_imagegen.runcomfy.inputs import Order
from codex_imagegen.runcomfy.responses import Response

POLL_SEC = 2.0
"""Between two questions, as RunComfy's own clients leave it; the first is asked at once."""
PATIENT_SEC = 120.0
"""How long every answer may be a hiccup before the run is given up; the request goes on."""
CANCEL_SEC = 5.0
"""How long a run that was stopped takes at most to cancel its request."""


def submit(client: Client, order: Order, patience: Deadline) -> str:
    """The id of a new request; a run that is stopped meanwhile says what is known of it."""
    try:
        return client.submit(order, patience)
    except (Interrupted, DeadlineExceeded) as stop:
        if stop.spent is None:
            _retell(stop, "the request was on its way, and what became of it is unknown", UNKNOWN, spent=None)
        raise


def wait(client: Client, request_id: str, patience: Deadline, tell: Callable[[Status], None]) -> Finished:
    """Ask until the request has ended well; raises the error that it ended with, or that ended the waiting.

    ``tell`` hears each answer that differs from the one before. What the result says decides: a request that
    /status calls completed may have failed.
    """
    good, last = time.monotonic(), None
    while True:
        pause = POLL_SEC
        try:
            status = client.status(request_id, patience)
            if status != last:
                tell(status)
            last = status
            if status.state != responses.WAITING and (finished := _result(client, request_id, patience, status)):
                return finished
            good = time.monotonic()
        except TemporaryFailure as hiccup:
            if time.monotonic() - good > PATIENT_SEC:
                _name(hiccup.error, request_id)
                raise hiccup.error from hiccup
            pause = max(POLL_SEC, hiccup.retry_after or 0.0)
        except (RunComfyAuth, RunComfyInput) as error:
            _name(error, request_id)
            raise
        patience.pause(pause)


@contextmanager
def cancelling(client: Client, request_id: str, patience: Deadline) -> Iterator[None]:
    """Where the block is ended by a stop, cancel the request and have the error say what became of it."""
    try:
        yield
    except (Interrupted, DeadlineExceeded) as stop:
        _retell(stop, *_fate(client, request_id, patience))
        raise


@contextmanager
def leaving(request_id: str) -> Iterator[None]:
    """Where the block is ended by a stop, leave the request alone and say how to get its picture."""
    try:
        yield
    except (Interrupted, DeadlineExceeded) as stop:
        _retell(stop, f"the request {request_id} was left to go on", fetch_hint(request_id), spent=True)
        raise


def fetch_hint(request_id: str) -> str:
    """The command that fetches the picture of a request that was paid for."""
    return f"fetch it with `codex-imagegen runcomfy wait {request_id} --out FILE`"


def _result(client: Client, request_id: str, patience: Deadline, status: Status) -> Finished | None:
    finished = client.result(request_id, patience)
    if finished is None and status.state in (responses.FAILED, responses.CANCELLED):
        raise responses.failure(Response(200, {"status": status.name}))  # a result that will not come
    return finished


def _fate(client: Client, request_id: str, patience: Deadline) -> tuple[str, str | None, bool | None]:
    """What became of a request that was to be cancelled: in words, what to do, and what it may cost."""
    last_words = Deadline(patience.interrupt, time.monotonic() + CANCEL_SEC, only_anew=True)
    try:
        cancelled = client.cancel(request_id, last_words)
    except ImagegenError as error:
        cancelled = Cancelled(None, error.message)
    if cancelled.outcome == "cancelled":
        return f"the request {request_id} was cancelled before it began", None, False
    if cancelled.outcome == "not_cancellable":
        return (
            f"it was too late to cancel the request {request_id}, which goes on",
            fetch_hint(request_id),
            True,
        )
    return (
        f"whether the request {request_id} was cancelled is unknown: {cancelled.why}",
        f"look with `codex-imagegen runcomfy status {request_id}`",
        None,
    )


def _retell(stop: ImagegenError, more: str, hint: str | None, spent: bool | None) -> None:
    stop.message = f"{stop.message.rstrip('.')}; {more}"
    stop.args = (stop.message,)
    stop.hint, stop.spent = hint, spent


def _name(error: ImagegenError, request_id: str) -> None:
    """Give the error its request, and the command that fetches the picture when its reason is gone."""
    error.request_id = request_id
    first = f"{error.hint}, then " if isinstance(error, RunComfyAuth) else ""
    error.hint, error.spent = first + fetch_hint(request_id), None
