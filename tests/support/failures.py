"""The table of failures: what goes wrong, the exit code, ``error.code``, the cost, and what becomes of the picture.

tests/generation/test_failures.py runs every row with the newest build, and with the oldest one where it behaves
differently. CI adds the other kind of model, and one build in between for each kind of image tool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from codex_imagegen.demo.fake_openai import Script
from tests.support import builds, checks, scripts
from tests.support.checks import needs_proc, reason_why_not
from tests.support.fault_injection import (
    NO_INOTIFY,
    after_preparing,
    at_once,
    block_sessions,
    break_config,
    close_streams_and_live,
    closed,
    days,
    delete,
    full_disk,
    kill_codex,
    kill_codex_in_a_line,
    killed_before_writing,
    linked_home_on_other_file_system,
    log_out,
    make_folder_read_only,
    midnight_comes,
    no_inotify,
    nobody_listens,
    nobody_reads,
    read_only_home,
    remove_folder,
    replace,
    replace_folder_by_file,
    shared_memory,
    small_files,
    spam,
    suspend_codex,
    swallow_stdout,
    temporary_full,
    temporary_missing,
    temporary_read_only,
    time_ends_at,
    time_ends_while_drawing,
    truncate,
    use_free_plan,
    use_key,
    while_drawing,
    with_arguments,
    without_home,
    write_output,
)
from tests.support.faulty_run import FaultyRun
from tests.support.outcome import Outcome

DELIVERED, RECOVERABLE, NONE = "delivered", "recoverable in one command", "none was made"
OLD, NEW, FUNCTION = "oldest", "newest", "newest with the function tool"
"""The builds and models that run a row by default."""

_FIRST_FUNCTION = (0, 144, 0)
"""From this version on the image tool is a function with its own endpoint; before, the back end runs it."""

_BETWEEN_HOSTED = [one for one in builds.BUILDS[1:-1] if builds.number(one) < _FIRST_FUNCTION]
_BETWEEN_FUNCTION = [one for one in builds.BUILDS[1:-1] if builds.number(one) >= _FIRST_FUNCTION]


def _call(run: FaultyRun) -> Outcome:
    return run.call()


@dataclass(frozen=True)
class Failure:
    """One row. ``bring`` runs the command so that it meets the failure, while the back end follows ``script``.

    ``code``: ``error.code``, or None for a success.
    ``spent``: that of the error, or ``...`` where it depends on timing.
    ``says``: texts of the message or the hint, each of which is a line; MODEL stands for the requested model.
    ``calls``: how many turns the model was asked for.
    ``stops``: Codex is stopped without waiting for a second turn.
    ``resets_sec``: how exactly the end of a limit is reported, in seconds.
    ``on``: the builds and models of a default run; CI runs rows with a ``tool`` on more builds with that kind of tool.
    """

    name: str
    script: Callable[[], Script] = scripts.ActsWhileDrawing
    exit_code: int = 0
    code: str | None = None
    spent: bool | Any | None = ...
    picture: str = DELIVERED
    says: tuple[str, ...] = ()
    calls: int | None = None
    stops: bool = False
    resets_sec: int | None = None
    bring: Callable[[FaultyRun], Outcome] = _call
    on: tuple[str, ...] = (NEW,)
    tool: str | None = None
    only_ci: bool = False
    needs: Callable[[], str | None] | None = None
    has_stdout: bool = True

    def __post_init__(self) -> None:
        assert isinstance(self.says, tuple), f"{self.name}: in a bare string every letter would be searched for alone"


def back_end(
    name: str,
    script: Callable[[], Script],
    code: str,
    *,
    exit_code: int = 7,
    spent: bool | None = True,
    tool: str = "both",
    **more: Any,
) -> Failure:
    """A failure of the back end; CI runs it on more builds with this kind of ``tool`` (hosted, function, both)."""
    return Failure(name, script, exit_code, code, spent, NONE, tool=tool, **more)


def one_build(
    name: str, script: Callable[[], Script], code: str, *, spent: bool | None, on: str, **more: Any
) -> Failure:
    """The same on one build: where one is enough, or where Codex retries for some seconds."""
    return Failure(name, script, more.pop("exit_code", 7), code, spent, NONE, on=(on,), **more)


def variants() -> list[Any]:
    """(row, build, model) of every row; those for CI alone are marked ``every_build``."""
    found = []
    for index, row in enumerate(TABLE):
        default = [_variant(one) for one in row.on]
        for version, model in dict.fromkeys([*default, *_for_ci(row, index)]):
            left_out = row.only_ci or (version, model) not in default
            name = f"{row.name}-{version}{'-function' if model else ''}"
            marks = [pytest.mark.every_build] if left_out else []
            found.append(pytest.param(row, version, model, id=name, marks=marks))
    return found


def _variant(name: str) -> tuple[str, str | None]:
    if name == FUNCTION:
        return builds.NEWEST, builds.FUNCTION_MODEL
    return {OLD: builds.OLDEST, NEW: builds.NEWEST}.get(name, name), None


def _for_ci(row: Failure, index: int) -> Iterator[tuple[str, str | None]]:
    """The builds in between take turns: each of them runs a third of the rows."""
    if row.tool in {"hosted", "both"}:
        yield _variant(OLD)
        yield _BETWEEN_HOSTED[index % len(_BETWEEN_HOSTED)], None
    if row.tool in {"function", "both"}:
        yield _variant(NEW)
        yield _BETWEEN_FUNCTION[index % len(_BETWEEN_FUNCTION)], builds.FUNCTION_MODEL if index % 2 else None


_NAMESPACE = reason_why_not("unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /mnt")
_HOUR = scripts.HOUR_SEC
_OPAQUE = {
    "message": "Transparent background is not supported for this model.", "type": "image_generation_user_error",
    "param": "background", "code": "invalid_value",
}  # fmt: skip
_PAGE = b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>%s</body></html>" % (b"x" * 3000)
_TOO_MANY = "TooManyRequests\nEncountered exception: <class 'oai_errors.errors.TooManyRequests'>"
_SERVER_ERROR = "ServerError\nEncountered exception: <class 'oai_errors.errors.ServerError'>"
_GUARDRAILS = "This prompt may violate our guardrails around third-party content."


def _answers(*answer: Any) -> Callable[[], Script]:
    return lambda: scripts.Answers(*answer)


def _hosted_says(words: str, where: str) -> Callable[[], Script]:
    return lambda: scripts.HostedToolSays(words, where)


_LIMITS = (
    back_end("usage limit that ends today", lambda: scripts.UsageLimit(resets_in=2 * _HOUR), "usage-limit", spent=False,
             resets_sec=60, bring=with_arguments(TZ="Asia/Kolkata")),
    one_build("usage limit that ends days ahead", lambda: scripts.UsageLimit(resets_in=72 * _HOUR), "usage-limit",
              spent=False, resets_sec=60, bring=with_arguments(TZ="America/New_York"), on=OLD),
    back_end("usage limit whose end is in a header", lambda: scripts.UsageLimit(headers=True), "usage-limit",
             spent=False, resets_sec=1),
    one_build("usage limit without an end", lambda: scripts.UsageLimit(resets_in=None), "usage-limit", spent=False,
              on=NEW, only_ci=True),
    one_build("plan without Codex", scripts.UsageNotIncluded, "usage-limit", spent=False, on=NEW, only_ci=True),
    one_build("workspace without credits", scripts.OutOfCredits, "usage-limit", spent=False, on=NEW, only_ci=True),
    back_end("quota exceeded", scripts.QuotaExceeded, "usage-limit", spent=False, only_ci=True),
    back_end("picture limit", scripts.PictureLimit, "usage-limit", tool="function", resets_sec=1, stops=True),
    one_build("picture limit of the hosted tool", scripts.PictureLimit, "usage-limit", spent=None, on=OLD,
              only_ci=True),
    back_end("rate limit", scripts.RateLimits, "rate-limited", spent=False),
    one_build("rate limit within a turn", scripts.RateLimitsInStream, "rate-limited", spent=False, on=OLD,
              only_ci=True),
    back_end("model overloaded", scripts.Overloaded, "rate-limited", spent=False, only_ci=True),
    back_end("picture rate limit", scripts.RateLimitsPictures, "rate-limited", tool="function", calls=2),
    back_end("too many pictures", scripts.TooManyPictures, "rate-limited", tool="function", on=(FUNCTION,)),
)  # fmt: skip

_MODEL_AND_TOOL = (
    back_end("prompt blocked", scripts.BlocksPrompt, "moderation", spent=None, on=(OLD,)),
    back_end("picture blocked", scripts.BlocksPicture, "moderation", tool="function", stops=True, on=(NEW, FUNCTION)),
    one_build("picture blocked by the hosted tool", scripts.BlocksPicture, "moderation", spent=None, on=OLD,
              only_ci=True),
    back_end("picture blocked and caught by a script", scripts.SwallowsError, "moderation", tool="function",
             stops=True),
    back_end("model refuses", scripts.Refuses, "refused", on=(FUNCTION, OLD),
             says=("\nthe model MODEL answered in words", "--model")),
    back_end("model says nothing", scripts.SaysNothing, "no-picture"),
    back_end("model calls a tool that is not offered", scripts.CallsToolThatIsNotOffered, "tool-unavailable",
             tool="hosted", on=(OLD,)),
    one_build("picture request rejected", scripts.RejectsPictureRequest, "generation-failed", spent=True, on=NEW,
              only_ci=True),
    back_end("no pictures in the answer", scripts.NoPictures, "generation-failed", on=(OLD,)),
    back_end("answer without JSON", scripts.NoJson, "generation-failed", tool="function",
             says=("failed to decode", "later")),
    back_end("picture without base64", scripts.NoBase64, "damaged-picture", on=(OLD,)),
    back_end("picture cut short", scripts.TearsPictures, "damaged-picture"),
    back_end("base64 cut short", scripts.TearsBase64, "damaged-picture", on=(OLD,)),
    back_end("picture of no bytes", scripts.BlankPicture, "no-picture", on=(FUNCTION, OLD)),
    one_build("picture endpoint forbids", _answers(403, b'{"detail": "Forbidden"}', "application/json"),
              "generation-failed", spent=True, on=NEW, says=("Forbidden", "account"), only_ci=True),
    one_build("picture endpoint missing", _answers(404, b"<html>404 Not Found</html>"), "generation-failed", spent=True,
              on=NEW, says=("HTTP 404 Not Found", "base URL")),
    one_build("picture request too large", _answers(413, b"<html>too large</html>"), "generation-failed", spent=True,
              on=NEW, says=("HTTP 413 Payload Too", "smaller references"), only_ci=True),
    one_build("transparency not supported", _answers(400, _OPAQUE), "generation-failed", spent=True, on=FUNCTION,
              says=("Transparent background", "leave --transparent out"), only_ci=True),
    one_build("picture rate limit without a body", _answers(429), "rate-limited", spent=True, on=FUNCTION,
              says=("HTTP 429 Too Many Requests", "wait a minute")),
    one_build("picture rate limit in a page", _answers(429, b"<html>slow down</html>"), "rate-limited", spent=True,
              on=NEW, says=("HTTP 429", "wait a minute"), only_ci=True),
    one_build("picture gateway out of order", _answers(502, _PAGE), "generation-failed", spent=True, on=NEW,
              says=("\nthe image tool failed: HTTP 502 Bad Gateway\na problem on OpenAI's side: try again later",)),
    one_build("picture server error", scripts.PictureServerErrors, "generation-failed", spent=True, on=NEW,
              only_ci=True),
    back_end("hosted tool says too many", _hosted_says(_TOO_MANY, "words"), "rate-limited", tool="hosted", on=(OLD,)),
    back_end("hosted tool says guardrails", _hosted_says(_GUARDRAILS, "words"), "moderation", tool="hosted", on=(OLD,),
             only_ci=True),
    back_end("hosted result of a server error", _hosted_says(_SERVER_ERROR, "result"), "generation-failed",
             tool="hosted", on=(OLD,)),
    # Codex makes six requests before it gives up; their cost is unknown
    one_build("hosted turn fails with guardrails", _hosted_says(_GUARDRAILS, "turn"), "moderation", spent=None,
              on="0.141.0", only_ci=True),
)  # fmt: skip

_LOGIN_AND_NETWORK = (
    back_end("token refused", scripts.TokenRefused, "not-logged-in", exit_code=5, spent=False),
    back_end("token refused for pictures", scripts.PictureTokenRefused, "not-logged-in", exit_code=5, tool="function",
             on=(FUNCTION,)),
    back_end("model unknown", scripts.UnknownModel, "codex-failed", exit_code=5, spent=False),
    # without a login, the real Codex makes six requests before it gives up
    one_build("login missing", scripts.NoLogin, "not-logged-in", exit_code=5, spent=False, on=NEW,
              says=("codex login",), bring=after_preparing(log_out), only_ci=True),
    one_build("login missing before a back end that answers", checks.DrawsSmall, "not-logged-in", exit_code=5,
              spent=True, on=NEW, says=("\nCodex is not logged in\nlog in with:\ncodex login\n",),
              bring=after_preparing(log_out)),
    one_build("login missing, with a model that has no code mode", checks.DrawsSmall, "not-logged-in", exit_code=5,
              spent=True, on=FUNCTION, says=("\nCodex is not logged in\nlog in with:\ncodex login\n",),
              bring=after_preparing(log_out), only_ci=True),
    one_build("login missing for a hosted tool", checks.DrawsSmall, "not-logged-in", exit_code=5, spent=True,
              on="0.141.0", says=("\nCodex is not logged in\nlog in with:\ncodex login\n",),
              bring=after_preparing(log_out), only_ci=True),
    one_build("free plan", checks.DrawsSmall, "tool-unavailable", spent=True, on=NEW,
              bring=after_preparing(use_free_plan), says=("\nCodex was not offered the image tool\n",)),
    # the records of such a run do not show that the tool was not offered: the hint names the plan
    one_build("free plan, with a model that has no code mode", checks.DrawsSmall, "refused", spent=True, on=FUNCTION,
              bring=after_preparing(use_free_plan), says=("Free plan",)),
    one_build("API key", checks.DrawsSmall, "tool-unavailable", spent=True, on=NEW, bring=after_preparing(use_key),
              says=("\nCodex was not offered the image tool: the login is an API key\n",)),
    one_build("stream cut", scripts.CutsStream, "network", exit_code=5, spent=None, on=NEW, only_ci=True),
    one_build("stream cut until the time is up", scripts.CutsStream, "network", exit_code=5, spent=None, on=NEW,
              says=("sandbox",), bring=time_ends_at(3)),
    one_build("picture connections closed", scripts.ClosesPictureConnections, "network", exit_code=5, spent=True,
              on=NEW, only_ci=True),
    one_build("connections closed", scripts.ClosesConnections, "network", exit_code=5, spent=None, on=OLD,
              says=("sandbox",), bring=time_ends_at(8), only_ci=True),
    one_build("nobody listens", checks.DrawsSmall, "network", exit_code=5, spent=False, on=NEW, bring=nobody_listens),
    one_build("server errors", scripts.ServerErrors, "network", exit_code=5, spent=None, on=NEW,
              bring=time_ends_at(7), only_ci=True),
    one_build("model never answers", checks.DrawsSmall, "timeout", exit_code=5, spent=None, on=OLD, says=("thinking",),
              bring=time_ends_at(1)),
    one_build("picture never comes", scripts.ActsWhileDrawing, "timeout", exit_code=5, spent=True, on=NEW,
              says=("drawing",), bring=time_ends_while_drawing),
)  # fmt: skip

_CODEX_AND_SYSTEM = (
    Failure("the output disk is full", exit_code=73, code="out-unwritable", picture=RECOVERABLE, bring=full_disk,
            needs=_NAMESPACE),
    Failure("files may not be as large as the picture", exit_code=73, code="out-unwritable", picture=RECOVERABLE,
            bring=small_files),
    Failure("the output folder is removed", bring=while_drawing(remove_folder)),
    Failure("the output folder becomes a file", exit_code=73, code="out-unwritable", picture=RECOVERABLE,
            bring=while_drawing(replace_folder_by_file)),
    Failure("the output folder becomes read-only", exit_code=73, code="out-unwritable", picture=RECOVERABLE,
            bring=make_folder_read_only, needs=needs_proc),
    Failure("the output appears", exit_code=73, code="out-exists", picture=RECOVERABLE,
            bring=while_drawing(write_output)),
    Failure("CODEX_HOME is read-only", exit_code=5, code="codex-failed", picture=NONE, bring=read_only_home,
            needs=needs_proc),
    Failure("CODEX_HOME is missing", exit_code=5, code="codex-failed", spent=False, picture=NONE,
            bring=without_home, says=("does not exist",)),
    Failure("CODEX_HOME is a symlink to another file system", bring=linked_home_on_other_file_system,
            needs=shared_memory),
    Failure("config.toml is malformed", exit_code=5, code="codex-failed", spent=False, picture=NONE, on=(NEW, OLD),
            bring=after_preparing(break_config), says=("config.toml:1:8",)),
    Failure("an argument is unknown to Codex", exit_code=5, code="codex-failed", spent=False, picture=NONE,
            on=(OLD,), bring=with_arguments("--codex-arg=--nonsense"), says=("--nonsense",)),
    Failure("the session can't be written", exit_code=6, code="session-missing", spent=True, picture=NONE, on=(OLD,),
            bring=after_preparing(block_sessions), says=("sandbox",)),
    Failure("the session can't be written, but the picture is saved", bring=after_preparing(block_sessions),
            only_ci=True),
    Failure("no session is wanted", exit_code=6, code="session-missing", spent=True, picture=NONE, on=(OLD,),
            bring=with_arguments("--codex-arg=--ephemeral"), says=("--ephemeral",)),
    Failure("no session is wanted, but the picture is saved", bring=with_arguments("--codex-arg=--ephemeral")),
    Failure("inotify is at its limit", bring=no_inotify, needs=reason_why_not(*NO_INOTIFY, "true")),
    Failure("the rollout is truncated", bring=while_drawing(truncate), on=(NEW, OLD)),
    Failure("the rollout is truncated before a longer picture", lambda: scripts.ActsWhileDrawing(300),
            bring=while_drawing(truncate), on=(OLD,)),
    Failure("the rollout is truncated before it is found", bring=at_once(truncate), on=(OLD,)),
    Failure("the rollout is replaced", bring=while_drawing(replace), on=(OLD,)),
    Failure("the rollout is deleted", bring=while_drawing(delete), on=(OLD,)),
    Failure("Codex is killed", exit_code=5, code="codex-failed", picture=NONE, bring=while_drawing(kill_codex),
            needs=needs_proc),
    Failure("Codex is killed in the middle of a line, and the picture is saved", lambda: scripts.ActsWhileDrawing(600),
            bring=kill_codex_in_a_line),
    Failure("Codex is killed in the middle of a line", lambda: scripts.ActsWhileDrawing(400), 5, "codex-failed",
            picture=NONE, on=(OLD,), bring=kill_codex_in_a_line),
    Failure("Codex is suspended", exit_code=5, code="timeout", picture=NONE, bring=suspend_codex, needs=needs_proc),
    Failure("Codex prints 100 MB that are not UTF-8 on stdout and on stderr", bring=spam, needs=needs_proc),
    Failure("Codex prints nothing on stdout", bring=swallow_stdout),
    Failure("Codex closes its streams and lives on", exit_code=5, code="timeout", picture=NONE,
            bring=close_streams_and_live),
    Failure("it is tomorrow for Codex", bring=days(hour=23, codex_ahead=2)),
    Failure("it is yesterday for Codex", bring=days(hour=1, codex_ahead=-2)),
    Failure("midnight comes before Codex starts", bring=midnight_comes, only_ci=True),
    Failure("the temporary folder is full", exit_code=73, code="out-unwritable", picture=NONE, bring=temporary_full,
            needs=_NAMESPACE),
    Failure("the temporary folder is missing", exit_code=73, code="out-unwritable", picture=NONE,
            bring=temporary_missing),
    Failure("the temporary folder is read-only", exit_code=73, code="out-unwritable", picture=NONE,
            bring=temporary_read_only, needs=needs_proc),
    Failure("stdout is closed", bring=closed(">&-"), has_stdout=False, only_ci=True),
    Failure("every stream is closed", bring=closed("<&-", ">&-", "2>&-"), has_stdout=False),
    Failure("nobody reads stdout", bring=nobody_reads(), has_stdout=False),
    Failure("nobody reads the picture from stdout", exit_code=73, code="out-unwritable", picture=RECOVERABLE,
            bring=nobody_reads(out="-"), has_stdout=False),
    Failure("we are killed before the picture is written", exit_code=-9, picture=RECOVERABLE,
            bring=killed_before_writing, needs=needs_proc, has_stdout=False),
)  # fmt: skip

TABLE = (*_LIMITS, *_MODEL_AND_TOOL, *_LOGIN_AND_NETWORK, *_CODEX_AND_SYSTEM)
