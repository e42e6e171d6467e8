"""The RunComfy backend: submit one request, wait for it, and fetch its picture.

It costs money on the user's RunComfy account, and is used only on request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_imagegen.errors import ImagegenError, Interrupted, NoPictureError
from codex_imagegen.images.references import describe
from codex_imagegen.request import Event
from codex_imagegen.results import BackendResult, PlannedImage, PlannedReference, Warning_
from codex_imagegen.runcomfy import inputs, job, responses, settings, token
from codex_imagegen.runcomfy.client import Client, JobResult, Status, TemporaryFailure
from codex_imagegen.runcomfy.deadline import Deadline, DeadlineExceeded
from codex_imagegen.runcomfy.download import Download
from codex_imagegen.runcomfy.http import Transport
from codex_imagegen.runcomfy.urls import ImageUrls, UrlRules

if TYPE_CHECKING:
    from codex_imagegen.request import Request, Run, Stage

MAX_LISTED = 20
"""How many of the addresses that were not fetched a result lists."""


def make(request: Request, run: Run) -> BackendResult:
    """Submit ``request`` once, wait for it, and fetch its picture; a stopped run cancels it.

    Raises errors of the tree; their ``spent`` says whether the request may have been billed.
    """
    if request.request_id is not None:
        return fetch(request.request_id, run)
    submission = inputs.prepare(request, run.interrupt.check)
    with _add_warnings(submission.warnings), _open_client() as client:
        deadline = Deadline(run.interrupt, run.deadline)
        request_id = job.submit(client, submission, deadline)
        with job.cancel_on_stop(client, request_id, deadline):
            _report(run, "started", request_id)
            job_result = job.wait(client, request_id, deadline, _status_reporter(run, request_id))
        result = _download(client, request_id, job_result, run)
    return replace(result, warnings=(*submission.compare(result.picture), *result.warnings))


def preview(request: Request, run: Run) -> tuple[PlannedImage, tuple[Warning_, ...]]:
    """Check the request; see :class:`codex_imagegen.backends.Backend`."""
    valid = inputs.check_request(request)
    references, warnings = inputs.reduce_references(valid.references, run.interrupt.check)
    planned = PlannedImage(
        references=tuple(PlannedReference(ref) if isinstance(ref, str) else describe(ref) for ref in references),
        model=valid.model,
        options=", ".join(f"{name} {value}" for name, value in valid.body.items() if name != "prompt") or None,
    )
    settings.model_api_base()
    token.load()
    return planned, warnings


def submit_only(request: Request, run: Run) -> tuple[str, tuple[Warning_, ...]]:
    """Submit ``request`` once and return its id, for :func:`fetch`, and warnings. Raises as :func:`make` does."""
    submission = inputs.prepare(request, run.interrupt.check)
    with _add_warnings(submission.warnings), _open_client() as client:
        return job.submit(client, submission, Deadline(run.interrupt, run.deadline)), submission.warnings


def fetch(request_id: str, run: Run) -> BackendResult:
    """Wait for a request that was submitted earlier, and fetch its picture.

    A stopped run lets the request go on. Raises as :func:`make` does.
    """
    request_id = inputs.check_request_id(request_id)
    with _open_client() as client:
        with job.keep_on_stop(request_id):
            _report(run, "started", request_id)
            deadline = Deadline(run.interrupt, run.deadline)
            job_result = job.wait(client, request_id, deadline, _status_reporter(run, request_id))
        return _download(client, request_id, job_result, run)


def status(request_id: str, run: Run) -> Status:
    """Ask once for the status of a request."""
    request_id = inputs.check_request_id(request_id)
    with _open_client() as client, _raise_permanent():
        return client.status(request_id, Deadline(run.interrupt, run.deadline))


def cancel(request_id: str, run: Run) -> str | None:
    """Cancel a request; returns ``cancelled``, ``not_cancellable``, or None if the outcome is unknown."""
    request_id = inputs.check_request_id(request_id)
    with _open_client() as client:
        return client.cancel(request_id, Deadline(run.interrupt, run.deadline)).outcome


@contextmanager
def _open_client() -> Iterator[Client]:
    base, saved_token = settings.model_api_base(), token.load()
    transport = Transport()
    try:
        yield Client(base, saved_token, transport)
    finally:
        transport.close()


@contextmanager
def _add_warnings(warnings: tuple[Warning_, ...]) -> Iterator[None]:
    """Add these warnings to an error that the block raises."""
    try:
        yield
    except ImagegenError as error:
        error.warnings = (*((warning.code, warning.message) for warning in warnings), *error.warnings)
        raise


@contextmanager
def _raise_permanent() -> Iterator[None]:
    """Raise the error of a temporary failure that is not retried."""
    try:
        yield
    except TemporaryFailure as failure:
        raise failure.error from failure


def _download(client: Client, request_id: str, job_result: JobResult, run: Run) -> BackendResult:
    rules = UrlRules(client.base)
    urls = rules.classify(job_result.output)
    warnings = _url_warnings(urls, client.hide)
    try:
        with job.keep_on_stop(request_id):
            download = Download(client.transport, rules, Deadline(run.interrupt, run.deadline))
            picture = download.fetch_first(urls.own)
    except ImagegenError as error:
        error.warnings = tuple((warning.code, warning.message) for warning in warnings) + error.warnings
        if not isinstance(error, (Interrupted, DeadlineExceeded)):
            error.hint = _hint(error, request_id)
        raise
    _report(run, "received", request_id)
    return BackendResult(picture, warnings=warnings, cost_usd=job_result.cost_usd, request_id=request_id)


def _url_warnings(urls: ImageUrls, hide: Callable[[str], str]) -> tuple[Warning_, ...]:
    def warn(code: str, reason: str, skipped: tuple[str, ...]) -> tuple[Warning_, ...]:
        texts = [responses.collect_text(url, hide=hide) for url in skipped[:MAX_LISTED]]
        return tuple(Warning_(code, f"not fetched, as {reason}: {text}") for text in texts)

    foreign = warn("foreign-url", "it is not RunComfy's", urls.foreign)
    return foreign + warn("more-pictures", "one picture was requested", urls.own[1:])


def _hint(error: ImagegenError, request_id: str) -> str:
    if isinstance(error, NoPictureError):  # another fetch would fail in the same way
        return f"look at the request {request_id} on runcomfy.com"
    return job.fetch_hint(request_id)


def _status_reporter(run: Run, request_id: str) -> Callable[[Status], None]:
    def report(status: Status) -> None:
        if status.state != responses.WAITING:
            return
        if status.name == "in_queue":
            position = None if status.position is None else f"position {status.position}"
            _report(run, "queued", request_id, position)
        else:
            _report(run, "drawing", request_id)

    return report


def _report(run: Run, stage: Stage, request_id: str, message: str | None = None) -> None:
    run.on_event(Event(stage, time.monotonic() - run.started, request_id=request_id, message=message))
