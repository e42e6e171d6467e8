"""All the jobs of a list; what becomes of each is handed to whoever prints it, as it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from codex_imagegen import render
from codex_imagegen.batches.job_file import Line
from codex_imagegen.batches.jobs import Jobs
from codex_imagegen.batches.results import Outcome
from codex_imagegen.batches.worker import Attempts
from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.runner.pool import Pool


class Batch:
    """All the jobs of a list, ``workers`` at once."""

    def __init__(self, jobs: Jobs, attempts: Attempts, workers: int) -> None:
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
