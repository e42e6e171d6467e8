"""All that is known of a run that brought no picture, and what follows from it by itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from codex_imagegen.codex import error_messages
from codex_imagegen.codex.install import version
from codex_imagegen.codex.install.login import Login
from codex_imagegen.codex.run.events import Events
from codex_imagegen.codex.sessions import rollout

LITTLE_BYTES = 1024 * 1024
"""Less room than this on the disk of CODEX_HOME, after a session could not be written, is why."""

PROVIDER_SINCE = (0, 144)
"""From this build on Codex offers its image tool with OpenAI's own provider alone, or with one that takes
OpenAI's login."""

_KEY_SINCE = (0, 134)
"""From this build on (the oldest that was seen to do so) Codex offers its image tool to no API key."""

_UNSAVED = re.compile(
    r"rollout writer failed|Failed to save the conversation transcript|failed to record rollout items"
    r"|Failed to shutdown rollout recorder"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of a run that brought no picture.

    ``sent``: Codex has been given the prompt. ``indexing``: it had not come to its prompt after a while. ``free_bytes``
    is the room where CODEX_HOME is, and ``login`` asks Codex how it is logged in, which takes it some 70 ms.
    """

    exit_code: int | None
    timed_out: bool
    timeout_sec: float
    thread_id: str | None
    session_found: bool
    damaged: str | None
    events: Events
    stderr: str
    records: rollout.Evidence
    sent: bool = False
    indexing: bool = False
    free_bytes: int | None = None
    login: Callable[[], Login] = lambda: "unknown"


def spent(evidence: Evidence) -> bool | None:
    """Whether quota was used: True when the model answered, False when no turn began, None where nobody can know."""
    records, events = evidence.records, evidence.events
    answered = records.used_tokens or records.tool_called or records.said or records.answered
    if answered or events.completed or events.said:
        return True
    if events.incomplete and not events.turn_started:
        return False
    # a Codex that fails by itself before its thread says so with an exit code
    unknown = evidence.thread_id or (evidence.sent and (evidence.exit_code is None or evidence.exit_code <= 0))
    return None if unknown else False


def other_provider(evidence: Evidence) -> str | None:
    """The provider's name, quoted, where it is the user's own and Codex keeps its image tool from such."""
    name = evidence.records.provider
    if name in {None, "openai"} or not _is_from(PROVIDER_SINCE, evidence):
        return None
    return repr(error_messages.words(str(name))[:60])


def is_key_toolless(evidence: Evidence) -> bool:
    """Whether this Codex offers its image tool to no API key."""
    return _is_from(_KEY_SINCE, evidence)


def is_unsaved(evidence: Evidence) -> bool:
    """Whether Codex says that it could not write its session."""
    return _UNSAVED.search("\n".join([evidence.stderr, *evidence.events.errors])) is not None


def disk_is_full(evidence: Evidence) -> bool:
    """Whether Codex says so, or could not write its session where there is next to no room."""
    told = "\n".join([evidence.stderr, *evidence.events.errors])
    return error_messages.tells_of_full_disk(told) or (has_no_room(evidence) and is_unsaved(evidence))


def has_no_room(evidence: Evidence) -> bool:
    """Whether there is next to no room where CODEX_HOME is."""
    return evidence.free_bytes is not None and evidence.free_bytes < LITTLE_BYTES


def _is_from(first: tuple[int, ...], evidence: Evidence) -> bool:
    """Whether the Codex is as new as this; also where its version is not known, or 0.0.0: it was built from source."""
    known = version.named(evidence.records.codex_version or "")
    return known is None or not (0, 0, 0) < version.number(known) < first
