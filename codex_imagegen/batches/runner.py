"""All the jobs of a list; what becomes of each is handed to whoever prints it, as it ends.

How a batch begins: its list read to its end and checked, its journal taken, and only then its workers.
"""

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
from codex_imagegen.batches.results import Outcome
from codex_imagegen.batches.worker import JobWorker
from codex_imagegen.errors import ImagegenError, Interrupted, UsageError
from codex_imagegen.generation import JOBS
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event
from codex_imagegen.runner.pool import Pool


class Batch:
    """All the jobs of a list, ``workers`` at once."""

    def __init__(self, jobs: Jobs, attempts: JobWorker, workers: int) -> None:
        self._jobs, self._attempts = jobs, attempts
        self._pool = Pool(jobs, self._outcome, workers=workers, interrupt=attempts.interrupt)

    @property
    def running(self) -> int:
        """How many jobs are being worked on just now."""
        return self._pool.running

    def outcomes(self) -> Generator[Outcome]:
        """Each job's end; fewer than there are jobs where the batch was interrupted. Raises a defect of ours alone."""
        try:
            with contextlib.closing(self._pool.ends()) as ends:
                yield from ends
        finally:
            self._attempts.sweep()

    def _outcome(self, line: Line) -> Outcome:
        try:
            return self._attempts.settle(self._jobs.job(line))
        except Interrupted:
            raise
        except ImagegenError as error:  # a reference that has gone since it was checked
            return Outcome(line.number, None, "failed", render.failed(error))


@dataclass(frozen=True, slots=True)
class BatchSetup:
    """A batch at work: how many jobs it has, and what ends them."""

    total: int
    work: Batch
    attempts: JobWorker


def workers(wanted: int | None, backend: str | None) -> int:
    """How many jobs run at once; raises :class:`UsageError` for less than one."""
    if wanted is not None and wanted < 1:
        raise UsageError(f"--jobs can't be {wanted}", hint="give a number from 1")
    return wanted or JOBS.get(backend or "codex", 2)


def open_job_file(name: str, *, out_dir: str, defaults: Mapping[str, Any], source: IO[bytes] | None = None) -> Jobs:
    """The jobs of the file of that name, or of ``source``, read to its end; raises :class:`UsageError`.

    ``defaults`` hold for every job that does not say otherwise; one that was not given is none.
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
            f"the jobs {name!r} can't be read: {reason}", hint="give a file of jobs, or - for stdin"
        ) from error


@contextlib.contextmanager
def prepare(
    jobs: Jobs,
    out_dir: str,
    interrupt: Interrupt,
    *,
    workers: int,
    retry_failed: bool,
    tell: Callable[[Event], None],
) -> Iterator[BatchSetup]:
    """A context in which the jobs, each of them checked before, may be worked on; nobody else has the journal.

    ``tell`` hears how each job goes on.
    """
    total = jobs.check(interrupt.check)
    with Journal(os.path.abspath(out_dir)) as journal:
        attempts = JobWorker(journal, interrupt, retry_failed, folders={journal.folder}, tell=tell)
        yield BatchSetup(total, Batch(jobs, attempts, min(workers, total)), attempts)
