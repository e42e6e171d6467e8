"""Why there is no picture: from the records first, then the event stream, then stderr; one sentence, and what to do next.

The words that are recognised are those of the real builds 0.111.0 to 0.169.0.
"""

from __future__ import annotations

from dataclasses import dataclass

from codex_imagegen import errors
from codex_imagegen.codex import rollout
from codex_imagegen.codex.stream import Events


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of a run that brought no picture."""

    exit_code: int | None
    timed_out: bool
    timeout_sec: float
    thread_id: str | None
    session_found: bool
    damaged: str | None
    events: Events
    stderr: str
    records: rollout.Evidence


def spent(evidence: Evidence) -> bool | None:
    """Whether quota was used: True when the model answered, False when no turn began, None where nobody can know."""
    records = evidence.records
    if records.used_tokens or records.tool_called or records.said or evidence.events.completed or evidence.events.said:
        return True
    return None if evidence.thread_id else False


def explain(evidence: Evidence) -> errors.ImagegenError:
    """The error that tells best why there is no picture."""
    raise NotImplementedError
