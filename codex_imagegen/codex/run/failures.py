"""Find out why a run has no picture, from the rollout, the event stream, stderr and the exit code.

:class:`Evidence` is all that is known of the run. :func:`explain` tries one explanation after the other, the most
certain first; :func:`has_spent` says whether the run used quota.
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

__all__ = ["Evidence", "explain", "has_spent"]

LONG_DRAWING_SEC = 180.0
"""After so many seconds of drawing, a connection that breaks is mostly not the user's network: users report breaks
after 240 to 265 s (openai/codex#29645, #33050)."""

LOW_SPACE_BYTES = 1024 * 1024
"""With less free space than this on the disk of CODEX_HOME, a full disk counts as the cause of an unsaved session."""

OPENAI_PROVIDER_SINCE = (0, 144)
"""From this build on, Codex offers its image tool only with OpenAI's own provider, or with one that takes OpenAI's
login."""

_API_KEY_SINCE = (0, 134)
"""From this build on (the oldest that was seen to do so), Codex does not offer its image tool to an API key."""

# refused or unreachable, with the error numbers of Linux and of macOS
_NOTHING_SENT = re.compile(r"os error (?:101|111|113|51|61|65)\b|failed to lookup|waiting for network")
_MAYBE_SENT = "error sending request"
_HOSTED_TOOL = re.compile(r"image generation limit|oai_errors|\bguardrails\b")
"""A turn's error with one of these came from the hosted tool, so the model had answered by then."""

_UNSPENT = {"usage-limit", "not-logged-in", "rate-limited", "codex-failed"}

_UNSAVED = re.compile(
    r"rollout writer failed|Failed to save the conversation transcript|failed to record rollout items"
    r"|Failed to shutdown rollout recorder"
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of a run without a picture.

    ``prompt_sent``: Codex was sent the prompt. ``is_indexing``: it had not read its prompt after a while.
    ``free_bytes`` is the free space where CODEX_HOME is. ``login`` asks Codex how it is logged in, which takes some
    70 ms.
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
    prompt_sent: bool = False
    is_indexing: bool = False
    free_bytes: int | None = None
    login: Callable[[], Login] = lambda: "unknown"


def explain(evidence: Evidence) -> errors.ImagegenError:
    """The error that explains best why there is no picture."""
    explanations = (
        _failed_start, _missing_host, _failed_tool, _killed, _failed_turn, _missing_session, _timeout,
    )  # fmt: skip
    error = next((error for explanation in explanations if (error := explanation(evidence))), None)
    error = error or _turn_without_picture(evidence)
    error.is_full = error.hint == error_messages.DISK_HINT
    return error


def has_spent(evidence: Evidence) -> bool | None:
    """Whether quota was used: True when the model answered, False when no turn began, None if that is unknown."""
    records, events = evidence.records, evidence.events
    answered = records.used_tokens or records.tool_called or records.message or records.called_tools
    if answered or events.turn_completed or events.agent_message:
        return True
    if events.missing_host and not events.turn_started:
        return False
    # a Codex that fails by itself before its thread ends with an exit code above 0
    may_have_begun = evidence.prompt_sent and (evidence.exit_code is None or evidence.exit_code <= 0)
    unknown = evidence.thread_id or may_have_begun
    return None if unknown else False


# The explanations, in the order in which they are tried


def _failed_start(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex ended, or was ended, before a thread began: nothing was spent."""
    if evidence.thread_id is not None:
        return None
    if evidence.timed_out:
        return _timeout(evidence)
    reason = error_patterns.classify_startup_error(evidence.stderr)
    if reason.code == "codex-failed" and evidence.exit_code == 0:
        return errors.SessionMissing(
            "Codex ended normally but named no session", hint="see its output with --verbose", spent=None
        )
    if reason.code == "codex-failed":
        reason = Reason(reason.code, f"it {_describe_exit(evidence.exit_code)} and said: {reason.message}")
    return error_messages.to_error(reason, spent=False)


def _missing_host(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex printed before its turn that it has no code-mode host."""
    message = evidence.events.missing_host
    if message is None:
        return None
    reason = error_patterns.classify_tool_error(message) or Reason("codex-incomplete", message)
    return error_messages.to_error(reason, spent=has_spent(evidence))


def _failed_tool(evidence: Evidence) -> errors.ImagegenError | None:
    """The image tool was called, and failed or gave a damaged picture."""
    records = evidence.records
    for failure in reversed(records.failures):
        if failure.get("type") == "usageLimitExceeded":
            resets_at = error_patterns.as_unix_time(failure.get("resetsAt"))
            return error_messages.to_error(Reason("usage-limit", "the one for pictures", resets_at), spent=True)
    if evidence.damaged or records.undecodable_count:
        damage = evidence.damaged or "it is not a PNG, JPEG or WebP"
        return errors.DamagedPicture(f"a picture was made but is damaged: {damage}", hint="try again", spent=True)
    messages = [*error_patterns.find_tool_errors(evidence.stderr), *records.tool_errors]
    reasons = (
        error_patterns.classify_tool_error(text) or error_patterns.classify_hosted_error(text)
        for text in reversed(messages)
    )
    reason = next((reason for reason in reasons if reason), None)
    if reason is None:
        return None
    if reason.code == "tool-unavailable":
        return _unavailable_tool(evidence, is_certain=True)
    return error_messages.to_error(_with_drawing_time(reason, evidence), spent=True)


def _killed(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex ended during its turn without an error: the out-of-memory killer, a user or a limit ended it."""
    code, events = evidence.exit_code, evidence.events
    if code is None or evidence.timed_out or events.turn_error or events.turn_completed or evidence.records.completed:
        return None
    if code >= 0 and any(error_patterns.classify_turn_error(error).code != "codex-failed" for error in events.errors):
        return None
    if code >= 0 and not evidence.session_found:
        return None
    hint = "try again; if you did not kill it, the machine may be short of memory or disk space"
    if _is_disk_full(evidence):
        hint = error_messages.DISK_HINT
    return errors.CodexFailed(f"Codex {_describe_exit(code)} during its turn", hint=hint, spent=has_spent(evidence))


def _failed_turn(evidence: Evidence) -> errors.ImagegenError | None:
    """The turn failed, or was still retrying when the time was up."""
    events, records = evidence.events, evidence.records
    message = events.turn_error or (events.errors[-1] if events.errors and not events.turn_completed else None)
    if message is None or (evidence.timed_out and not events.turn_error and not _is_network(message)):
        return None
    reason = error_patterns.classify_turn_error(message, records.error_info)
    spent = has_spent(evidence)
    refused = reason.code in _UNSPENT and not _HOSTED_TOOL.search(message)  # else the model had answered
    if spent is None and (refused or _is_offline(reason, events)):
        spent = False
    resets_at = records.limit_resets_at or reason.resets_at if reason.code == "usage-limit" else None
    return error_messages.to_error(replace(reason, resets_at=resets_at), spent=spent)


def _missing_session(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex ended, and there is no rollout of this run."""
    if evidence.session_found or evidence.timed_out:
        return None
    spent = has_spent(evidence)
    if _is_disk_full(evidence):
        reason = Reason("session-missing", "no disk space is left", hint=error_messages.DISK_HINT)
        return error_messages.to_error(reason, spent=spent)
    if _is_unsaved(evidence):
        return error_messages.to_error(Reason("session-missing", ""), spent=spent)
    return errors.SessionMissing(
        "Codex ran, but no session of this run can be found",
        hint="see its output with --verbose; if --codex-arg has --ephemeral, leave that out",
        spent=spent,
    )


def _timeout(evidence: Evidence) -> errors.ImagegenError | None:
    if not evidence.timed_out:
        return None
    stage = "drawing" if evidence.records.tool_called else "thinking" if evidence.thread_id else "starting"
    hint = "allow more time with --timeout-sec"
    if evidence.is_indexing:
        stage = "indexing its sessions"
        hint = "run it again in a moment: Codex does this once, and now finishes it by itself"
    return errors.RunTimeout(
        f"no picture came within {evidence.timeout_sec:g} seconds; Codex was still {stage}",
        hint=hint,
        spent=has_spent(evidence),
    )


def _turn_without_picture(evidence: Evidence) -> errors.ImagegenError:
    """The turn ended normally, without a picture."""
    records, spent = evidence.records, has_spent(evidence)
    message = records.message or evidence.events.agent_message
    reason = error_patterns.classify_hosted_error(message) if message else None
    if reason is not None:
        return error_messages.to_error(reason, spent=True)
    if records.failed_items:
        return error_messages.to_error(Reason("generation-failed", "it gave no reason"), spent=True)
    # before the model's message: it may have drawn a picture that Codex could not save
    if _is_disk_full(evidence) or _is_space_low(evidence):
        return errors.NoPicture(
            "Codex saved no picture: no disk space is left", hint=error_messages.DISK_HINT, spent=spent
        )
    is_certain = records.is_tool_offered is False or records.has_account is False
    only_words = message if message and not records.tool_called else None
    error = None
    if is_certain or (only_words and records.is_tool_offered is None):
        error = _unavailable_tool(evidence, is_certain=is_certain)
    if error is None and only_words:
        error = _refused(only_words, evidence)
    return error or errors.NoPicture("Codex ended its turn without making a picture", hint="try again", spent=spent)


def _unavailable_tool(evidence: Evidence, *, is_certain: bool) -> errors.ImagegenError | None:
    """Codex was not offered the image tool, because of its provider, a missing login, an API key, or the plan.

    Where that is not certain, the model answered in words, and there is an error only if one of the first three holds.
    """
    records, spent = evidence.records, has_spent(evidence)
    provider = _unsupported_provider(evidence)
    if provider:
        message = f"the model_provider {provider} does not have it"
        reason = Reason("tool-unavailable", message, hint=error_messages.PROVIDER_HINT)
        return error_messages.to_error(reason, spent=spent)
    login = "chatgpt" if records.has_account else evidence.login()
    if login == "none":
        return error_messages.to_error(Reason("not-logged-in", ""), spent=spent)
    if login == "api-key" and (is_certain or _is_version_from(_API_KEY_SINCE, evidence)):
        return error_messages.to_error(Reason("tool-unavailable", "the login is an API key"), spent=spent)
    return error_messages.to_error(Reason("tool-unavailable", ""), spent=spent) if is_certain else None


def _refused(message: str, evidence: Evidence) -> errors.ImagegenError:
    """The model answered in words, although it had the image tool as far as is known."""
    name = evidence.records.model
    model = f"the model {error_messages.sanitize(name)[:60]}" if name else "the model"
    return errors.Refused(
        f"{model} answered in words and made no picture: {error_messages.sanitize(message)}",
        hint="ask for a picture in the prompt, or choose another model with --model, since some call no tool; "
        "on a Free plan the tool is not offered",
        spent=True,
    )


# What the evidence shows


def _with_drawing_time(reason: Reason, evidence: Evidence) -> Reason:
    """The reason with the time of drawing, where a connection broke after minutes: mostly not the user's network."""
    seconds = evidence.records.drawing_sec
    if reason.code != "network" or seconds is None or seconds < LONG_DRAWING_SEC:
        return reason
    return replace(reason, message=f"after {seconds:.0f} s, {reason.message}", hint=error_messages.LONG_HINT)


def _describe_exit(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed by signal {-exit_code} ({signal.strsignal(-exit_code) or 'unknown'})"
    return f"ended with exit code {exit_code}"


def _is_network(message: str) -> bool:
    return error_patterns.classify_turn_error(message).code == "network"


def _is_offline(reason: Reason, events: Events) -> bool:
    """Whether no request can have arrived: one failed to connect, and none of the others got further."""
    if reason.code != "network":
        return False
    failures = [error for error in events.errors if _is_network(error)]
    unsent = [bool(_NOTHING_SENT.search(error)) for error in failures]
    return any(unsent) and all(no or _MAYBE_SENT in error for no, error in zip(unsent, failures, strict=True))


def _unsupported_provider(evidence: Evidence) -> str | None:
    """The name of the user's own provider, quoted, if Codex does not offer its image tool with it."""
    name = evidence.records.provider
    if name in {None, "openai"} or not _is_version_from(OPENAI_PROVIDER_SINCE, evidence):
        return None
    return repr(error_messages.sanitize(str(name))[:60])


def _is_version_from(first: tuple[int, ...], evidence: Evidence) -> bool:
    """Whether Codex is at least this version, or of unknown version, or 0.0.0, which is a build from source."""
    name = version.find_version(evidence.records.codex_version or "")
    return name is None or not (0, 0, 0) < version.parse_version(name) < first


def _is_unsaved(evidence: Evidence) -> bool:
    """Whether Codex says that it could not save its session."""
    return _UNSAVED.search(_error_text(evidence)) is not None


def _is_disk_full(evidence: Evidence) -> bool:
    """Whether Codex reports a full disk, or could not save its session while little space is left."""
    is_reported = error_messages.reports_full_disk(_error_text(evidence))
    return is_reported or (_is_space_low(evidence) and _is_unsaved(evidence))


def _is_space_low(evidence: Evidence) -> bool:
    """Whether the disk of CODEX_HOME is almost full."""
    return evidence.free_bytes is not None and evidence.free_bytes < LOW_SPACE_BYTES


def _error_text(evidence: Evidence) -> str:
    return "\n".join([evidence.stderr, *evidence.events.errors])
