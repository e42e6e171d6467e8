"""The RunComfy backend: one request submitted, waited for, and its picture fetched.

It costs money on the user's RunComfy account, and is taken only when it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_imagegen.errors import ImagegenError, Interrupted, NoPictureError
from codex_imagegen.request import Event
from codex_imagegen.results import BackendResult, Warning_
from codex_imagegen.runcomfy import inputs, job, responses, settings, token
from codex_imagegen.runcomfy.client import Client, Finished, Status, TemporaryFailure
from codex_imagegen.runcomfy.deadline import Deadline, DeadlineExceeded
from codex_imagegen.runcomfy.download import Download
from codex_imagegen.runcomfy.http import Transport
from codex_imagegen.runcomfy.urls import ImageUrls, Rules

if TYPE_CHECKING:
    from codex_imagegen.request import Request, Run, Stage

MAX_LISTED = 20
"""How many addresses that were not fetched a result lists."""


def make(request: Request, run: Run) -> BackendResult:
    """Submit ``request`` once, wait for it, and fetch its picture; a run that is stopped cancels it.

    Raises the errors of the tree; their ``spent`` says whether it may have been billed.
    """
    if request.request_id is not None:
        return fetch(request.request_id, run)
    order = inputs.order(request, run.interrupt.check)
    with _warning(order.warnings), _client() as client:
        patience = Deadline(run.interrupt, run.deadline)
        request_id = job.submit(client, order, patience)
        with job.cancelling(client, request_id, patience):
            _tell(run, "started", request_id)
            finished = job.wait(client, request_id, patience, _teller(run, request_id))
        made = _fetched(client, request_id, finished, run)
    return replace(made, warnings=(*order.warnings, *made.warnings))


def submit_only(request: Request, run: Run) -> tuple[str, tuple[Warning_, ...]]:
    """Submit ``request`` once; gives back its id, for :func:`fetch`, and warnings. Raises as :func:`make` does."""
    order = inputs.order(request, run.interrupt.check)
    with _warning(order.warnings), _client() as client:
        return job.submit(client, order, Deadline(run.interrupt, run.deadline)), order.warnings


def fetch(request_id: str, run: Run) -> BackendResult:
    """Wait for a request that was submitted before, and fetch its picture.

    A run that is stopped lets the request go on. Raises as :func:`make` does.
    """
    request_id = inputs.request_id(request_id)
    with _client() as client:
        with job.leaving(request_id):
            _tell(run, "started", request_id)
            finished = job.wait(client, request_id, Deadline(run.interrupt, run.deadline), _teller(run, request_id))
        return _fetched(client, request_id, finished, run)


def status(request_id: str, run: Run) -> Status:
    """Where a request stands, asked once."""
    request_id = inputs.request_id(request_id)
    with _client() as client, _plainly():
        return client.status(request_id, Deadline(run.interrupt, run.deadline))


def cancel(request_id: str, run: Run) -> str | None:
    """Cancel a request: ``cancelled``, ``not_cancellable``, or None where what became of it is unknown."""
    request_id = inputs.request_id(request_id)
    with _client() as client:
        return client.cancel(request_id, Deadline(run.interrupt, run.deadline)).outcome


@contextmanager
def _client() -> Iterator[Client]:
    base, signed_in = settings.model_api_base(), token.load()
    transport = Transport()
    try:
        yield Client(base, signed_in, transport)
    finally:
        transport.close()


@contextmanager
def _warning(warnings: tuple[Warning_, ...]) -> Iterator[None]:
    """A context whose errors have these warnings, too."""
    try:
        yield
    except ImagegenError as error:
        error.warnings = (*((warning.code, warning.message) for warning in warnings), *error.warnings)
        raise


@contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except TemporaryFailure as hiccup:
        raise hiccup.error from hiccup


def _fetched(client: Client, request_id: str, finished: Finished, run: Run) -> BackendResult:
    rules = Rules(client.base)
    addresses = rules.classify(finished.output)
    warnings = _not_fetched(addresses, client.hide)
    try:
        with job.leaving(request_id):
            download = Download(client.transport, rules, Deadline(run.interrupt, run.deadline))
            picture = download.first(addresses.own)
    except ImagegenError as error:
        error.warnings = tuple((warning.code, warning.message) for warning in warnings) + error.warnings
        if not isinstance(error, (Interrupted, DeadlineExceeded)):
            error.hint = _hint(error, request_id)
        raise
    _tell(run, "received", request_id)
    return BackendResult(picture, warnings=warnings, cost_usd=finished.cost_usd, request_id=request_id)


def _not_fetched(addresses: ImageUrls, hide: Callable[[str], str]) -> tuple[Warning_, ...]:
    def listed(code: str, why: str, urls: tuple[str, ...]) -> tuple[Warning_, ...]:
        short = [responses.words(url, hide=hide) for url in urls[:MAX_LISTED]]
        return tuple(Warning_(code, f"not fetched, as {why}: {url}") for url in short)

    foreign = listed("foreign-url", "it is not RunComfy's", addresses.foreign)
    return foreign + listed("more-pictures", "one picture was asked for", addresses.own[1:])


def _hint(error: ImagegenError, request_id: str) -> str:
    if isinstance(error, NoPictureError):  # another fetch would end as this one did
        return f"look at the request {request_id} on runcomfy.com"
    return job.fetch_hint(request_id)


def _teller(run: Run, request_id: str) -> Callable[[Status], None]:
    def tell(status: Status) -> None:
        if status.state != responses.WAITING:
            return
        if status.name == "in_queue":
            place = None if status.position is None else f"position {status.position}"
            _tell(run, "queued", request_id, place)
        else:
            _tell(run, "drawing", request_id)

    return tell


def _tell(run: Run, stage: Stage, request_id: str, message: str | None = None) -> None:
    run.tell(Event(stage, time.monotonic() - run.started, request_id=request_id, message=message))
