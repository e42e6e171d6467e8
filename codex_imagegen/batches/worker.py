"""Run one job: use the journal's result, fetch the picture of an interrupted run, or start a new run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field, replace

from codex_imagegen import generation, render
from codex_imagegen.batches import outcomes
from codex_imagegen.batches.jobs import Job
from codex_imagegen.batches.journal import JobRecord, Journal
from codex_imagegen.batches.outcomes import Outcome, Status
from codex_imagegen.codex.run import workspace
from codex_imagegen.errors import (
    ImagegenError,
    Interrupted,
    NoPictureError,
    OutExists,
    OutputError,
    RunComfyRetry,
    SessionMissing,
)
from codex_imagegen.files import atomic
from codex_imagegen.images import output
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event, InterruptedRun, Request, Run
from codex_imagegen.results import PlannedImage, Result, Warning_
from codex_imagegen.runner.attempts import Attempts, Backoff, NotStarted

_REFUSED_EXIT_CODES = (2, 3, 4)
"""Exit codes of failures before anything was spent: the next batch checks such a job again."""

_STILL_OPEN = {"runcomfy-retry", "runcomfy-auth", "timeout"}
"""Error codes after which a request that RunComfy accepted may still go on."""

_MOVE_HINT = "move it away, give the job another out, or --force to replace it"


@dataclass(slots=True)
class JobWorker:
    """Runs jobs, each in the calling thread.

    ``folders`` are the folders in which a killed run may have left an unfinished file. ``on_event`` is called with the
    events of each job.
    """

    journal: Journal
    interrupt: Interrupt
    retry_failed: bool = False
    backoff: InitVar[Backoff | None] = None
    folders: set[str] = field(default_factory=set)
    on_event: Callable[[Event], None] = lambda _event: None
    attempts: Attempts = field(init=False)

    def __post_init__(self, backoff: Backoff | None) -> None:
        self.attempts = Attempts(self.interrupt, backoff=backoff or Backoff())

    @property
    def stopped(self) -> ImagegenError | None:
        """The error that stopped the batch, or None."""
        return self.attempts.stopped

    def remove_abandoned(self) -> None:
        """Remove the temporary files of interrupted runs, unless another process still uses them."""
        for folder in self.journal.folders:
            workspace.remove_abandoned(folder)
        for folder in self.folders:
            atomic.remove_abandoned(folder)

    def run(self, job: Job) -> Outcome:
        """Run the job; raises only :class:`Interrupted`."""
        started = time.monotonic()
        try:
            status, result = self._from_journal(job) or self._make(job)
        except Interrupted:
            raise
        except NotStarted as stopped:
            status, result = "not-started", outcomes.not_started_result(stopped.error, job.request.backend)
        except ImagegenError as error:
            status = "not-started" if self.attempts.stops_all(error) else "failed"
            if status == "not-started":  # also when an earlier run's picture was fetched
                self.attempts.stop(error)
            error.backend = job.request.backend
            result = render.failure_result(error, elapsed_sec=time.monotonic() - started)
        return Outcome(job.line, job.out, status, result, job.request.prompt)

    def _from_journal(self, job: Job) -> tuple[Status, Result] | None:
        """The result in the journal, or that of an interrupted run; None if the job needs a new run."""
        record = self.journal.read_job(job.key)
        if record is None:
            return None
        if recorded := self._recorded(job, record):
            return recorded
        if record.ended is None and (result := self._resume(job, record)):
            self.journal.add_done(job.key, outcomes.to_journal(result))
            return "recovered", result
        return None

    def _recorded(self, job: Job, record: JobRecord) -> tuple[Status, Result] | None:
        """The result of an earlier run that is still valid, or None."""
        ended, backend = record.ended or {}, job.request.backend
        if ended.get("event") == "done" and (result := outcomes.read_done(ended, job.out, backend)):
            return "skipped", result
        is_failure = ended.get("event") == "failed" and not self.retry_failed
        if is_failure and (result := outcomes.read_failed(ended, backend)):
            return "failed", result
        return None

    def preview(self, job: Job) -> Outcome:
        """What :meth:`run` would do with the job: nothing is sent or written. Raises only :class:`Interrupted`."""
        try:
            status, result = self._preview(job)
        except Interrupted:
            raise
        except ImagegenError as error:
            error.backend = job.request.backend
            status, result = "failed", render.failure_result(error)
        return Outcome(job.line, job.out, status, replace(result, images=(), dry_run=True), job.request.prompt)

    def _preview(self, job: Job) -> tuple[Status, Result]:
        record = self.journal.read_job(job.key)
        if record is not None and (recorded := self._recorded(job, record)):
            return recorded
        if record is not None and record.ended is None:
            planned = (PlannedImage(job.out, "fetch"),)
            return "not-started", Result(ok=True, backend=job.request.backend, planned=planned)
        try:
            return "not-started", generation.preview(job.request, interrupt=self.interrupt)
        except OutExists as error:
            error.hint = _MOVE_HINT
            raise

    def _make(self, job: Job) -> tuple[Status, Result]:
        """Run the job, again after a temporary failure; starts nothing once the batch is stopped."""

        def on_failure(error: ImagegenError, is_retried: bool) -> None:
            self._record_failure(job, error, is_retried=is_retried)

        return "made", self.attempts.run(lambda: self._run_once(job), on_failure)

    def _run_once(self, job: Job) -> Result:
        self.folders.add(os.path.dirname(job.out))
        try:
            output.plan(job.out, force=job.request.force, wanted=job.request.image_options.format)
        except OutExists as error:
            error.hint = _MOVE_HINT
            raise
        folder = workspace.choose_path()
        try:
            self.journal.add_started(job.key, job.line, folder=folder, backend=job.request.backend)
        except ImagegenError as error:  # no run may start that the journal does not record
            self.attempts.stop(error)
            raise
        result = self._generate(job, replace(job.request, folder=folder))
        try:
            self.journal.add_done(job.key, outcomes.to_journal(result))
        except ImagegenError as error:
            result = replace(result, warnings=(*result.warnings, Warning_("journal-unwritten", error.message)))
        return result

    def _generate(self, job: Job, request: Request) -> Result:
        warnings: tuple[Warning_, ...] = ()
        if request.backend == "runcomfy" and request.request_id is None:
            request_id, warnings = self._submit(job, request)
            request = replace(request, request_id=request_id)
        result = generation.generate(request, interrupt=self.interrupt, on_event=self._event_callback(job))
        return replace(result, warnings=(*warnings, *result.warnings)) if warnings else result

    def _submit(self, job: Job, request: Request) -> tuple[str, tuple[Warning_, ...]]:
        """Submit without waiting, so that the journal has the id before the wait begins."""
        from codex_imagegen.runcomfy import backend as runcomfy

        now = time.monotonic()
        run = Run(now, now + request.timeout_sec, self.interrupt, lambda _event: None)
        request_id, warnings = runcomfy.submit_only(request, run)
        with contextlib.suppress(ImagegenError):
            self.journal.add_request(job.key, request_id)
        return request_id, warnings

    def _event_callback(self, job: Job) -> Callable[[Event], None]:
        """A callback that passes events on with the job's line, and records the thread as soon as it is known.

        Without the thread, the folder identifies the run as well.
        """
        threads: list[str] = []

        def on_event(event: Event) -> None:
            if event.thread_id and not threads:
                threads.append(event.thread_id)
                with contextlib.suppress(ImagegenError):
                    self.journal.add_thread(job.key, event.thread_id)
            self.on_event(replace(event, job=job.line))

        return on_event

    def _record_failure(self, job: Job, error: ImagegenError, *, is_retried: bool) -> None:
        """Record a failure in the journal, unless a picture of the run may still come."""
        record = self.journal.read_job(job.key)
        if record is None or record.ended is not None or isinstance(error, Interrupted):
            return
        if (isinstance(error, OutputError) and error.spent is not False) or (
            error.code in _STILL_OPEN and record.request_id
        ):
            return  # a picture was made or is being made, and a later batch fetches it
        with contextlib.suppress(ImagegenError):
            if is_retried or self._should_repeat(error):
                self.journal.add_dropped(job.key)
            else:
                self.journal.add_failed(job.key, outcomes.to_journal(render.failure_result(error)))

    def _should_repeat(self, error: ImagegenError) -> bool:
        """Whether a later batch runs the job again: the error is not the job's own, or nothing was spent."""
        refused = error.exit_code in _REFUSED_EXIT_CODES or isinstance(error, OutputError)
        return refused or self.attempts.stops_all(error)

    def _resume(self, job: Job, record: JobRecord) -> Result | None:
        """The picture of an interrupted run, written now or by that run; None if it made none."""
        self.folders.add(os.path.dirname(job.out))
        try:
            return fetch_interrupted(job, record, self.interrupt)
        except ImagegenError as error:
            if job.request.backend == "runcomfy":  # the request failed, or a later batch asks for it again
                self._record_failure(job, error, is_retried=False)
                raise
            if isinstance(error, (NoPictureError, SessionMissing)):
                return None
            raise


def fetch_interrupted(job: Job, record: JobRecord, interrupt: Interrupt) -> Result:
    """The result of the interrupted run in ``record``; writes its picture unless that run wrote it.

    Nothing is spent. Raises the backends' errors where there is no picture, and :class:`OutExists` where another file
    is in its place.
    """
    request = _resume_request(job, record)
    if request.force or not os.path.lexists(job.out):
        return generation.generate(request, interrupt=interrupt)
    return _check_written(request, job.out, interrupt)


def _resume_request(job: Job, record: JobRecord) -> Request:
    """The request that fetches the picture of an interrupted run."""
    if job.request.backend == "runcomfy":
        if record.request_id is None:
            raise RunComfyRetry(
                "the batch was cut off while it submitted the job, and it is unknown whether RunComfy accepted it",
                hint="look at your requests on runcomfy.com; run it again with --retry-failed",
                spent=None,
            )
        return replace(job.request, request_id=record.request_id)
    return replace(job.request, earlier=InterruptedRun(record.folder, record.started_at, record.thread_id))


def _check_written(request: Request, out: str, interrupt: Interrupt) -> Result:
    """The result of a run that wrote ``out`` before its interruption; raises :class:`OutExists` for another file."""
    temporary = os.path.join(os.path.dirname(out), f".codex-imagegen-{os.urandom(8).hex()}{os.path.splitext(out)[1]}")
    try:
        result = generation.generate(replace(request, out=temporary), interrupt=interrupt)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
    if outcomes.file_sha256(out) != result.images[0].sha256:
        raise OutExists(f"{out!r} already exists", hint=_MOVE_HINT)
    return replace(result, images=(replace(result.images[0], path=out),))
