"""What a run that was cut off has left: its picture, in Codex's records or with RunComfy, or written already."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace

from codex_imagegen import generation
from codex_imagegen.batches import results
from codex_imagegen.batches.jobs import Job
from codex_imagegen.batches.journal import Trace
from codex_imagegen.errors import OutExists, RunComfyRetry
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Earlier, Request
from codex_imagegen.results import Result

MOVE = "move it away, give the job another out, or --force to replace it"


def fetch(job: Job, trace: Trace, interrupt: Interrupt) -> Result:
    """The result of the run that ``trace`` tells of, its picture written now, unless it was written then.

    Nothing is spent. Raises what the backends raise where there is no picture, and :class:`OutExists` where something
    else is in its place.
    """
    request = _earlier(job, trace)
    if request.force or not os.path.lexists(job.out):
        return generation.generate(request, interrupt=interrupt)
    return _proven(request, job.out, interrupt)


def _earlier(job: Job, trace: Trace) -> Request:
    """The request that fetches instead of making."""
    if job.request.backend == "runcomfy":
        if trace.request_id is None:
            raise RunComfyRetry(
                "it was being submitted when the batch was cut off, and whether RunComfy took it is unknown",
                hint="look at your requests on runcomfy.com; make it anew with --retry-failed",
                spent=None,
            )
        return replace(job.request, request_id=trace.request_id)
    return replace(job.request, earlier=Earlier(trace.folder, trace.started_at, trace.thread_id))


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
