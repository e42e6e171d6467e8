"""Why there is no picture: from the records, the event stream and stderr; one sentence, and what to do next."""

from __future__ import annotations

import re
import signal
import time
from dataclasses import dataclass

from codex_imagegen import errors
from codex_imagegen.codex import reasons, rollout
from codex_imagegen.codex.reasons import Reason
from codex_imagegen.codex.stream import Events

_MAX_WORDS = 300
_KEY = re.compile(r"\b(?:sk|sess|eyJ)[-_A-Za-z0-9.]{8,}")
_SANDBOX = re.compile(r"Read-only file system|Permission denied|Operation not permitted")
_UNSAVED = re.compile(
    r"rollout writer failed|Failed to save the conversation transcript|failed to record rollout items"
    r"|Failed to shutdown rollout recorder"
)
# refused or unreachable, with the numbers of Linux and of macOS
_NOTHING_SENT = re.compile(r"os error (?:101|111|113|51|61|65)\b|failed to lookup|waiting for network")
_MAYBE_SENT = "error sending request"
_NO_PLAN = "To use Codex with your ChatGPT plan"
_UNSPENT = {"usage-limit", "not-logged-in", "rate-limited", "codex-failed"}

_ERRORS: dict[str, type[errors.ImagegenError]] = {
    error.code: error
    for error in (
        errors.CodexTooOld, errors.NotLoggedIn, errors.NetworkError, errors.CodexFailed, errors.UsageLimit,
        errors.RateLimited, errors.Moderation, errors.ToolUnavailable, errors.GenerationFailed,
    )
}  # fmt: skip
_SENTENCES = {
    "codex-too-old": ("this Codex CLI is too old to make pictures: {words}", "update it: npm install -g @openai/codex"),
    "not-logged-in": ("Codex is not logged in: {words}", "run: codex login"),
    "network": ("Codex could not reach OpenAI: {words}", "check the network, and try again"),
    "codex-failed": ("Codex failed: {words}", "see what it says with --verbose"),
    "usage-limit": ("the plan's limit is reached: {words}", "try again {when}; codex-imagegen never uses a paid key"),
    "rate-limited": ("OpenAI takes no more requests just now: {words}", "wait a minute, and try again"),
    "moderation": ("OpenAI's safety system blocked the picture: {words}", "change the prompt or the references"),
    "tool-unavailable": (
        "Codex was not offered the image tool: {words}",
        "it takes a ChatGPT plan that includes it, such as Plus: check with codex login status; "
        "without a plan there is --backend runcomfy, which is paid",
    ),
    "generation-failed": ("the image tool failed: {words}", "try again; if it stays so, change the prompt"),
}
_SANDBOX_HINT = (
    "if this runs inside another agent's sandbox, allow it the network and to write to CODEX_HOME (usually ~/.codex)"
)


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
    records, events = evidence.records, evidence.events
    answered = records.used_tokens or records.tool_called or records.said or records.answered
    if answered or events.completed or events.said:
        return True
    return None if evidence.thread_id else False


def explain(evidence: Evidence) -> errors.ImagegenError:
    """The error that tells best why there is no picture; the surest evidence is asked first."""
    for ask in (_start, _tool, _killed, _turn, _session, _timeout):
        error = ask(evidence)
        if error is not None:
            return error
    return _silence(evidence)


def _start(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex ended, or was ended, before a thread began: nothing was spent."""
    if evidence.thread_id is not None:
        return None
    if evidence.timed_out:
        return _timeout(evidence)
    reason = reasons.of_start(evidence.stderr)
    if reason.code == "codex-failed" and evidence.exit_code == 0:
        return errors.SessionMissing(
            "Codex ended in good order, and named no session", hint="see what it says with --verbose", spent=None
        )
    ended = f"it {_end(evidence.exit_code)} and said: {reason.words}"
    return _error(Reason(reason.code, ended if reason.code == "codex-failed" else reason.words), spent=False)


def _tool(evidence: Evidence) -> errors.ImagegenError | None:
    """The image tool was called, and something came of it that is no picture."""
    records = evidence.records
    for failure in reversed(records.failures):
        if failure.get("type") == "usageLimitExceeded":
            resets = reasons.unix_time(failure.get("resetsAt"))
            return _error(Reason("usage-limit", "the limit for pictures", resets), spent=True)
    if evidence.damaged or records.undecodable:
        why = evidence.damaged or "it is no PNG, JPEG or WebP"
        return errors.DamagedPicture(f"a picture was made and came damaged: {why}", hint="try again", spent=True)
    told = [*reasons.tool_lines(evidence.stderr), *records.tool_errors]
    reason = next((reason for text in reversed(told) if (reason := reasons.of_tool(text))), None)
    return _error(reason, spent=True) if reason else None


def _killed(evidence: Evidence) -> errors.ImagegenError | None:
    """Codex ended in the middle of its turn, without a word why: the out-of-memory killer, a user, a limit."""
    code, events = evidence.exit_code, evidence.events
    if code is None or evidence.timed_out or events.failed or events.completed or evidence.records.completed:
        return None
    if code >= 0 and any(reasons.of_turn(words).code != "codex-failed" for words in events.errors):
        return None
    if code >= 0 and not evidence.session_found:
        return None
    hint = "try again; if nobody killed it, the machine may be short of memory or disk space"
    return errors.CodexFailed(f"Codex {_end(evidence.exit_code)} in its turn", hint=hint, spent=spent(evidence))


def _turn(evidence: Evidence) -> errors.ImagegenError | None:
    """The turn failed, or was still failing when its time was up."""
    events, records = evidence.events, evidence.records
    words = events.failed or (events.errors[-1] if events.errors and not events.completed else None)
    if words is None or (evidence.timed_out and not events.failed and not _is_network(words)):
        return None
    reason = reasons.of_turn(words, records.error_info)
    cost = spent(evidence)
    refused = reason.code in _UNSPENT and "image generation limit" not in words  # a turn had begun
    if cost is None and (refused or _is_offline(reason, events)):
        cost = False
    resets = records.limit_resets_at or reason.resets_at if reason.code == "usage-limit" else None
    return _error(Reason(reason.code, reason.words, resets), spent=cost)


def _session(evidence: Evidence) -> errors.ImagegenError | None:
    if evidence.session_found or evidence.timed_out:
        return None
    told = "\n".join([evidence.stderr, *evidence.events.errors])
    if _UNSAVED.search(told):
        message, hint = "Codex ran, and could not write its session", _SANDBOX_HINT
    else:
        message, hint = "Codex ran, and no session of this run can be found", "leave out --ephemeral"
    return errors.SessionMissing(message, hint=hint, spent=spent(evidence))


def _timeout(evidence: Evidence) -> errors.ImagegenError | None:
    if not evidence.timed_out:
        return None
    stage = "drawing" if evidence.records.tool_called else "thinking" if evidence.thread_id else "starting"
    return errors.RunTimeout(
        f"no picture came within {evidence.timeout_sec:g} seconds; Codex was still {stage}",
        hint="give it longer with --timeout-sec",
        spent=spent(evidence),
    )


def _silence(evidence: Evidence) -> errors.ImagegenError:
    """The turn ended well, and no picture came of it."""
    records, cost = evidence.records, spent(evidence)
    if records.failed_items:
        return _error(Reason("generation-failed", "it did not say why"), spent=True)
    if records.offered is False or records.account is False:
        return _error(Reason("tool-unavailable", "neither plan nor login offers it"), spent=cost)
    said = records.said or evidence.events.said
    if said and not records.tool_called:
        return errors.Refused(
            f"the model answered in words and made no picture: {_words(said)}",
            hint="ask for a picture in the prompt; on a Free plan the tool is not offered",
            spent=True,
        )
    return errors.NoPicture("Codex ended its turn and made no picture", hint="try again", spent=cost)


def _error(reason: Reason, *, spent: bool | None) -> errors.ImagegenError:
    sentence, hint = _SENTENCES[reason.code]
    if _SANDBOX.search(reason.words):
        hint = _SANDBOX_HINT
    elif _NO_PLAN in reason.words:
        hint = "it takes a ChatGPT plan with Codex; without one there is --backend runcomfy, which is paid"
    elif reason.code == "network":
        hint = f"{hint}; {_SANDBOX_HINT}"
    at = None if reason.resets_at is None else time.localtime(reason.resets_at)
    when = "later" if at is None else time.strftime("after %Y-%m-%d %H:%M %Z", at).rstrip()
    return _ERRORS[reason.code](
        sentence.format(words=_words(reason.words)),
        hint=hint.format(when=when),
        spent=spent,
        resets_at=reason.resets_at,
    )


def _words(text: str) -> str:
    """Codex's own words, short, and with nothing in them that looks like a key (an API key's 401 repeats the key)."""
    short = _KEY.sub("[key]", " ".join(text[: 4 * _MAX_WORDS].split()))
    return short if len(short) <= _MAX_WORDS else short[: _MAX_WORDS - 1] + "…"


def _end(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"was killed by signal {-exit_code} ({signal.strsignal(-exit_code) or 'unknown'})"
    return f"ended with exit code {exit_code}"


def _is_network(words: str) -> bool:
    return reasons.of_turn(words).code == "network"


def _is_offline(reason: Reason, events: Events) -> bool:
    """Whether no request can have arrived: a try failed to connect, and none of the others came further."""
    if reason.code != "network":
        return False
    tries = [error for error in events.errors if _is_network(error)]
    refused = [bool(_NOTHING_SENT.search(error)) for error in tries]
    return any(refused) and all(no or _MAYBE_SENT in error for no, error in zip(refused, tries, strict=True))
