"""Run all jobs of a batch: open and check the job file, lock the journal, then start the workers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from codex_imagegen import render
from codex_imagegen.batches.job_file import Line
from codex_imagegen.batches.jobs import Jobs
from codex_imagegen.batches.journal import Journal
from codex_imagegen.batches.outcomes import Outcome
from codex_imagegen.batches.worker import JobWorker
from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.generation import DEFAULT_JOBS
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event
from codex_imagegen.runner.pool import Pool


class Batch:
    """All jobs of a job file, ``workers`` at once."""

    def __init__(self, jobs: Jobs, worker: JobWorker, workers: int) -> None:
        self._jobs, self._worker = jobs, worker
        self._pool = Pool(jobs, self._run_line, workers=workers, interrupt=worker.interrupt)

    @property
    def running(self) -> int:
        """How many jobs are running now."""
        return self._pool.running

    def outcomes(self) -> Generator[Outcome]:
        """Yield the outcome of each job as it ends, fewer after an interrupt; raises nothing but unexpected errors."""
        try:
            with contextlib.closing(self._pool.results()) as outcomes:
                yield from outcomes
        finally:
            self._worker.remove_abandoned()

    def _run_line(self, line: Line) -> Outcome:
        try:
            return self._worker.run(self._jobs.job(line))
        except Interrupted:
            raise
        except ImagegenError as error:  # for example, a reference was deleted after the check
            return Outcome(line.number, None, "failed", render.failure_result(error))


@dataclass(frozen=True, slots=True)
class BatchSetup:
    """A batch that is ready to run: the number of its jobs, the batch, and its worker."""

    total: int
    batch: Batch
    worker: JobWorker


def worker_count(wanted: int | None, backend: str | None) -> int:
    """How many jobs run at once: ``wanted``, or the backend's default; raises :class:`UsageError` below one."""
    if wanted is not None and wanted < 1:
        raise UsageError(f"--jobs can't be {wanted}", hint="give a number from 1")
    return wanted or DEFAULT_JOBS.get(backend or "codex", 2)


def open_job_file(name: str, *, out_dir: str, defaults: Mapping[str, Any], source: IO[bytes] | None = None) -> Jobs:
    """Copy the job file of that name, or ``source``, and return its jobs; raises :class:`UsageError`.

    ``defaults`` are options for jobs that do not set them; None, False and empty ones are ignored.
    """
    given = {option: value for option, value in defaults.items() if value not in (None, False, ())}
    try:
        if source is not None:
            return Jobs(source, name, out_dir=out_dir, defaults=given)
        with open(name, "rb") as file:
            return Jobs(file, name, out_dir=out_dir, defaults=given)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "the name has a NUL in it"
        raise UsageError(
            f"the job file {name!r} can't be read: {reason}", hint="give a job file, or - for stdin"
        ) from error


def preview(jobs: Jobs, out_dir: str, interrupt: Interrupt, *, retry_failed: bool) -> Iterator[Outcome]:
    """Check all jobs, and yield what a batch would do with each: nothing is sent or written, and no Codex started.

    The status is ``skipped`` for a picture that was made before, ``failed`` for a job that would fail, and else
    ``not-started``. The journal is read, and neither created nor locked.
    """
    try:
        jobs.check(interrupt.check)
    except ImagegenError as error:
        error.is_dry_run = True
        raise
    with Journal(os.path.abspath(out_dir), read_only=True) as journal:
        worker = JobWorker(journal, interrupt, retry_failed)
        for line in jobs:
            interrupt.check()
            yield worker.preview(jobs.job(line))


@contextlib.contextmanager
def prepare(
    jobs: Jobs,
    out_dir: str,
    interrupt: Interrupt,
    *,
    workers: int,
    retry_failed: bool,
    on_event: Callable[[Event], None],
) -> Iterator[BatchSetup]:
    """Check all jobs and lock the journal; a context of the batch.

    ``on_event`` is called with the events of each job.
    """
    total = jobs.check(interrupt.check)
    with Journal(os.path.abspath(out_dir)) as journal:
        worker = JobWorker(journal, interrupt, retry_failed, folders={journal.folder}, on_event=on_event)
        yield BatchSetup(total, Batch(jobs, worker, min(workers, total)), worker)
