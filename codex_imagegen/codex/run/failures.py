"""Why there is no picture: from the records, the event stream and stderr; one sentence, and what to do next.

All that is known of a run that brought no picture, and what follows from it by itself.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace

from codex_imagegen import errors
from codex_imagegen.codex import error_messages, error_patterns
from codex_imagegen.codex.error_patterns import Reason
from codex_imagegen.codex.install import version
from codex_imagegen.codex.install.login import Login
from codex_imagegen.codex.run.events import Events
from codex_imagegen.codex.sessions import rollout

__all__ = ["Evidence", "explain", "spent"]

LONG_SEC = 180.0
"""From so many seconds of drawing on, a connection that breaks is mostly not the user's network: those that were told
of broke after 240 to 265 s (openai/codex#29645, #33050)."""

# refused or unreachable, with the numbers of Linux and of macOS
_NOTHING_SENT = re.compile(r"os error (?:101|111|113|51|61|65)\b|failed to lookup|waiting for network")
_MAYBE_SENT = "error sending request"
_OF_TOOL = re.compile(r"image generation limit|oai_errors|\bguardrails\b")
"""A turn's error with one of these came from the hosted tool: the model had answered by then."""

_UNSPENT = {"usage-limit", "not-logged-in", "rate-limited", "codex-failed"}


def explain(evidence: Evidence) -> errors.ImagegenError:
    """The error that tells best why there is no picture; the surest evidence is asked first."""
    asked = (_start, _incomplete, _tool, _killed, _turn, _session, _timeout)
    error = next((error for ask in asked if (error := ask(evidence))), None) or _silence(evidence)
    error.is_full = error.hint == error_messages.DISK_HINT
    return error


def _start(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex ended, or was ended, before a thread began: nothing was spent."""
    if evidence.thread_id is not None:
        return None
    if evidence.timed_out:
        return _timeout(evidence)
    reason = error_patterns.of_start(evidence.stderr)
    if reason.code == "codex-failed" and evidence.exit_code == 0:
        return errors.SessionMissing(
            "Codex ended in good order, and named no session", hint="see what it says with --verbose", spent=None
        )
    ended = f"it {_end(evidence.exit_code)} and said: {reason.words}"
    return error_messages.error(
        Reason(reason.code, ended if reason.code == "codex-failed" else reason.words), spent=False
    )


def _incomplete(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex said before its turn that it has no code-mode host."""
    told = evidence.events.incomplete
    if told is None:
        return None
    return error_messages.error(error_patterns.of_tool(told) or Reason("codex-incomplete", told), spent=spent(evidence))


def _tool(evidence: Evidence) -> errors.ImagegenError | None:
    """The image tool was called, and something came of it that is no picture."""
    records = evidence.records
    for failure in reversed(records.failures):
        if failure.get("type") == "usageLimitExceeded":
            resets = error_patterns.unix_time(failure.get("resetsAt"))
            return error_messages.error(Reason("usage-limit", "the limit for pictures", resets), spent=True)
    if evidence.damaged or records.undecodable_count:
        why = evidence.damaged or "it is no PNG, JPEG or WebP"
        return errors.DamagedPicture(f"a picture was made and came damaged: {why}", hint="try again", spent=True)
    told = [*error_patterns.tool_lines(evidence.stderr), *records.tool_errors]
    found = (error_patterns.of_tool(text) or error_patterns.of_hosted(text) for text in reversed(told))
    reason = next((reason for reason in found if reason), None)
    if reason is None:
        return None
    if reason.code == "tool-unavailable":
        return _toolless(evidence, sure=True)
    return error_messages.error(_about_time(reason, evidence), spent=True)


def _killed(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex ended in the middle of its turn, without a word why: the out-of-memory killer, a user, a limit."""
    code, events = evidence.exit_code, evidence.events
    if code is None or evidence.timed_out or events.failed or events.completed or evidence.records.completed:
        return None
    if code >= 0 and any(error_patterns.of_turn(words).code != "codex-failed" for words in events.errors):
        return None
    if code >= 0 and not evidence.session_found:
        return None
    hint = "try again; if nobody killed it, the machine may be short of memory or disk space"
    if disk_is_full(evidence):
        hint = error_messages.DISK_HINT
    return errors.CodexFailed(f"Codex {_end(evidence.exit_code)} in its turn", hint=hint, spent=spent(evidence))


def _turn(evidence: Evidence) -> errors.ImagegenError | None:
    """The turn failed, or was still failing when its time was up."""
    events, records = evidence.events, evidence.records
    words = events.failed or (events.errors[-1] if events.errors and not events.completed else None)
    if words is None or (evidence.timed_out and not events.failed and not _is_network(words)):
        return None
    reason = error_patterns.of_turn(words, records.error_info)
    cost = spent(evidence)
    refused = reason.code in _UNSPENT and not _OF_TOOL.search(words)  # else a turn had begun
    if cost is None and (refused or _is_offline(reason, events)):
        cost = False
    resets = records.limit_resets_at or reason.resets_at if reason.code == "usage-limit" else None
    return error_messages.error(replace(reason, resets_at=resets), spent=cost)


def _session(evidence: Evidence) -> errors.ImagegenError | None:
    if evidence.session_found or evidence.timed_out:
        return None
    if disk_is_full(evidence):
        return error_messages.error(
            Reason("session-missing", "no space is left", hint=error_messages.DISK_HINT), spent=spent(evidence)
        )
    if is_unsaved(evidence):
        return error_messages.error(Reason("session-missing", ""), spent=spent(evidence))
    return errors.SessionMissing(
        "Codex ran, and no session of this run can be found", hint="leave out --ephemeral", spent=spent(evidence)
    )


def _timeout(evidence: Evidence) -> errors.ImagegenError | None:
    if not evidence.timed_out:
        return None
    stage = "drawing" if evidence.records.tool_called else "thinking" if evidence.thread_id else "starting"
    hint = "give it longer with --timeout-sec"
    if evidence.indexing:
        stage = "indexing the sessions of its home"
        hint = "run it again in a moment: Codex does that once, and now finishes it by itself"
    return errors.RunTimeout(
        f"no picture came within {evidence.timeout_sec:g} seconds; Codex was still {stage}",
        hint=hint,
        spent=spent(evidence),
    )


def _silence(evidence: Evidence) -> errors.ImagegenError:
    """The turn ended well, and no picture came of it."""
    records = evidence.records
    said = records.message or evidence.events.said
    told = error_patterns.of_hosted(said) if said else None
    if told is not None:
        return error_messages.error(told, spent=True)
    if records.failed_items:
        return error_messages.error(Reason("generation-failed", "it did not say why"), spent=True)
    sure = records.is_tool_offered is False or records.has_account is False
    in_words = bool(said) and not records.tool_called
    if disk_is_full(evidence) or has_no_room(evidence):  # before its words: it may have drawn, and could not keep it
        no_space = "Codex kept no picture: no space is left"
        return errors.NoPicture(no_space, hint=error_messages.DISK_HINT, spent=spent(evidence))
    toolless = _toolless(evidence, sure=sure) if sure or (in_words and records.is_tool_offered is None) else None
    return toolless or (_refused(said or "", evidence) if in_words else _nothing(evidence))


def _toolless(evidence: Evidence, *, sure: bool) -> errors.ImagegenError | None:
    """Codex was not offered the image tool: for its provider's sake, for want of a login, or for its plan.

    Where that is not ``sure``, the model answered in words, and it is only told if there is such a reason.
    """
    records, cost = evidence.records, spent(evidence)
    provider = other_provider(evidence)
    if provider:
        told = f"the model_provider {provider} has none"
        return error_messages.error(Reason("tool-unavailable", told, hint=error_messages.PROVIDER_HINT), spent=cost)
    login = "chatgpt" if records.has_account else evidence.login()
    if login == "none":
        return error_messages.error(Reason("not-logged-in", ""), spent=cost)
    if login == "api-key" and (sure or is_key_toolless(evidence)):
        return error_messages.error(Reason("tool-unavailable", "the login is an API key"), spent=cost)
    return error_messages.error(Reason("tool-unavailable", ""), spent=cost) if sure else None


def _nothing(evidence: Evidence) -> errors.ImagegenError:
    """Nobody said anything."""
    return errors.NoPicture("Codex ended its turn and made no picture", hint="try again", spent=spent(evidence))


def _refused(said: str, evidence: Evidence) -> errors.ImagegenError:
    """The model answered in words, and had the tool as far as anybody can tell."""
    name = evidence.records.model
    model = f"the model {error_messages.words(name)[:60]}" if name else "the model"
    return errors.Refused(
        f"{model} answered in words and made no picture: {error_messages.words(said)}",
        hint="ask for a picture in the prompt, or name another model with --model, since some call no tool; "
        "on a Free plan the tool is not offered",
        spent=True,
    )


def _about_time(reason: Reason, evidence: Evidence) -> Reason:
    """A connection that broke after minutes of drawing is mostly not the user's network."""
    seconds = evidence.records.drawing_sec
    if reason.code != "network" or seconds is None or seconds < LONG_SEC:
        return reason
    return replace(reason, words=f"after {seconds:.0f} s, {reason.words}", hint=error_messages.LONG_HINT)


def _end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed by signal {-exit_code} ({signal.strsignal(-exit_code) or 'unknown'})"
    return f"ended with exit code {exit_code}"


def _is_network(words: str) -> bool:
    return error_patterns.of_turn(words).code == "network"


def _is_offline(reason: Reason, events: Events) -> bool:
    """Whether no request can have arrived: a try failed to connect, and none of the others came further."""
    if reason.code != "network":
        return False
    tries = [error for error in events.errors if _is_network(error)]
    refused = [bool(_NOTHING_SENT.search(error)) for error in tries]
    return any(refused) and all(no or _MAYBE_SENT in error for no, error in zip(refused, tries, strict=True))


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
    answered = records.used_tokens or records.tool_called or records.message or records.called_tools
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
