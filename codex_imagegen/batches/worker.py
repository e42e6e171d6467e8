"""The story of one job: what the journal knows of it, what an earlier run may have left, and then a run of its own.

What a run that was cut off has left: its picture, in Codex's records or with RunComfy, or written already.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field, replace

from codex_imagegen import generation, render
from codex_imagegen.batches import results
from codex_imagegen.batches.jobs import Job
from codex_imagegen.batches.journal import JobRecord, Journal
from codex_imagegen.batches.results import Outcome, Status
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
from codex_imagegen.results import Result, Warning_
from codex_imagegen.runner import pool
from codex_imagegen.runner.attempts import Attempts, NotStarted

_STATES = (2, 3, 4)
"""Exit codes of what was refused before anything was spent: looked at anew another time."""

_UNSURE = {"runcomfy-retry", "runcomfy-auth", "timeout"}
"""What says nothing about a request that RunComfy has taken, and that goes on without us."""


@dataclass(slots=True)
class JobWorker:
    """Settles jobs, each in the thread that asks.

    ``folders`` are where a run that was killed may have left an unfinished file. ``tell`` hears how each job goes on.
    """

    journal: Journal
    interrupt: Interrupt
    retry_failed: bool = False
    pauses: InitVar[pool.Backoff | None] = None
    folders: set[str] = field(default_factory=set)
    tell: Callable[[Event], None] = lambda _event: None
    tries: Attempts = field(init=False)

    def __post_init__(self, pauses: pool.Backoff | None) -> None:
        self.tries = Attempts(self.interrupt, pauses=pauses or pool.Backoff())

    @property
    def stopped(self) -> ImagegenError | None:
        """The error that ended all, once there is one."""
        return self.tries.stopped

    def sweep(self) -> None:
        """Remove what runs that were cut off have left in folders, as far as nobody works there any more."""
        for folder in self.journal.folders:
            workspace.sweep(folder)
        for folder in self.folders:
            atomic.sweep(folder)

    def settle(self, job: Job) -> Outcome:
        """What becomes of the job; raises :class:`Interrupted` alone."""
        started = time.monotonic()
        try:
            status, result = self._known(job) or self._made(job)
        except Interrupted:
            raise
        except NotStarted as stopped:
            status, result = "not-started", results.left(stopped.error, job.request.backend)
        except ImagegenError as error:
            status = "not-started" if self.tries.ends_all(error) else "failed"
            if status == "not-started":  # also where an earlier run's picture was fetched
                self.tries.stop(error)
            error.backend = job.request.backend
            result = render.failed(error, elapsed_sec=time.monotonic() - started)
        return Outcome(job.line, job.out, status, result)

    def _known(self, job: Job) -> tuple[Status, Result] | None:
        """What the journal says, or what a run that was cut off has left; None: the job is to be done."""
        trace = self.journal.trace(job.key)
        if trace is None:
            return None
        ended, backend = trace.ended or {}, job.request.backend
        if ended.get("event") == "done" and (done := results.done_before(ended, job.out, backend)):
            return "skipped", done
        if ended.get("event") == "failed" and not self.retry_failed and (done := results.failed_before(ended, backend)):
            return "failed", done
        if trace.ended is None and (picked := self._picked_up(job, trace)):
            self.journal.done(job.key, results.to_journal(picked))
            return "recovered", picked
        return None

    def _made(self, job: Job) -> tuple[Status, Result]:
        """Run the job, again where its failure passes; nothing is begun once all is stopped."""
        made = self.tries.make(lambda: self._run(job), lambda error, again: self._judge(job, error, again=again))
        return "made", made

    def _run(self, job: Job) -> Result:
        self.folders.add(os.path.dirname(job.out))
        try:
            output.plan(job.out, force=job.request.force, wanted=job.request.image_options.format)
        except OutExists as error:
            error.hint = MOVE
            raise
        folder = workspace.choose()
        try:
            self.journal.started(job.key, job.line, folder=folder, backend=job.request.backend)
        except ImagegenError as error:  # without a journal nothing may be spent
            self.tries.stop(error)
            raise
        result = self._generated(job, replace(job.request, folder=folder))
        try:
            self.journal.done(job.key, results.to_journal(result))
        except ImagegenError as error:
            result = replace(result, warnings=(*result.warnings, Warning_("journal-unwritten", error.message)))
        return result

    def _generated(self, job: Job, request: Request) -> Result:
        warnings: tuple[Warning_, ...] = ()
        if request.backend == "runcomfy" and request.request_id is None:
            request_id, warnings = self._submitted(job, request)
            request = replace(request, request_id=request_id)
        result = generation.generate(request, interrupt=self.interrupt, tell=self._teller(job))
        return replace(result, warnings=(*warnings, *result.warnings)) if warnings else result

    def _submitted(self, job: Job, request: Request) -> tuple[str, tuple[Warning_, ...]]:
        """Submit alone, so that the id is in the journal before anything is waited for."""
        from codex_imagegen.runcomfy import backend as runcomfy

        now = time.monotonic()
        run = Run(now, now + request.timeout_sec, self.interrupt, lambda _event: None)
        request_id, warnings = runcomfy.submit_only(request, run)
        with contextlib.suppress(ImagegenError):
            self.journal.request(job.key, request_id)
        return request_id, warnings

    def _teller(self, job: Job) -> Callable[[Event], None]:
        """Tells of the job, and writes its thread into the journal as soon as it is known.

        Without it, the folder proves the run as well.
        """
        told: list[str] = []

        def tell(event: Event) -> None:
            if event.thread_id and not told:
                told.append(event.thread_id)
                with contextlib.suppress(ImagegenError):
                    self.journal.thread(job.key, event.thread_id)
            self.tell(replace(event, job=job.line))

        return tell

    def _judge(self, job: Job, error: ImagegenError, *, again: bool) -> None:
        """Write into the journal what the error says about the job, where it says anything."""
        trace = self.journal.trace(job.key)
        if trace is None or trace.ended is not None or isinstance(error, Interrupted):
            return
        if (isinstance(error, OutputError) and error.spent is not False) or (
            error.code in _UNSURE and trace.request_id
        ):
            return  # a picture is there or on its way, and is fetched another time
        with contextlib.suppress(ImagegenError):
            if again or self._says_nothing(error):
                self.journal.dropped(job.key)
            else:
                self.journal.failed(job.key, results.to_journal(render.failed(error)))

    def _says_nothing(self, error: ImagegenError) -> bool:
        """Whether the job is to be done again: the error is not its own, or nothing was spent on it."""
        return self.tries.ends_all(error) or error.exit_code in _STATES or isinstance(error, OutputError)

    def _picked_up(self, job: Job, trace: JobRecord) -> Result | None:
        """The picture of a run that was cut off, written now or then; None where it made none."""
        self.folders.add(os.path.dirname(job.out))
        try:
            return fetch(job, trace, self.interrupt)
        except ImagegenError as error:
            if job.request.backend == "runcomfy":  # the request has ended, or it is asked for again another time
                self._judge(job, error, again=False)
                raise
            if isinstance(error, (NoPictureError, SessionMissing)):
                return None
            raise


MOVE = "move it away, give the job another out, or --force to replace it"


def fetch(job: Job, trace: JobRecord, interrupt: Interrupt) -> Result:
    """The result of the run that ``trace`` tells of, its picture written now, unless it was written then.

    Nothing is spent. Raises what the backends raise where there is no picture, and :class:`OutExists` where something
    else is in its place.
    """
    request = _earlier(job, trace)
    if request.force or not os.path.lexists(job.out):
        return generation.generate(request, interrupt=interrupt)
    return _proven(request, job.out, interrupt)


def _earlier(job: Job, trace: JobRecord) -> Request:
    """The request that fetches instead of making."""
    if job.request.backend == "runcomfy":
        if trace.request_id is None:
            raise RunComfyRetry(
                "it was being submitted when the batch was cut off, and whether RunComfy took it is unknown",
                hint="look at your requests on runcomfy.com; make it anew with --retry-failed",
                spent=None,
            )
        return replace(job.request, request_id=trace.request_id)
    return replace(job.request, earlier=InterruptedRun(trace.folder, trace.started_at, trace.thread_id))


def _proven(request: Request, out: str, interrupt: Interrupt) -> Result:
    """The result of a run that was cut off after it had written ``out``; another file there is another's."""
    spare = os.path.join(os.path.dirname(out), f".codex-imagegen-{os.urandom(8).hex()}{os.path.splitext(out)[1]}")
    try:
        result = generation.generate(replace(request, out=spare), interrupt=interrupt)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(spare)
    if results.sha256(out) != result.images[0].sha256:
        raise OutExists(f"{out!r} is there already", hint=MOVE)
    return replace(result, images=(replace(result.images[0], path=out),))
