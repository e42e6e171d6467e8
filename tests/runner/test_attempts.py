"""Attempts of a run, and the error of a run that was not started."""

from __future__ import annotations

import errno
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from codex_imagegen.errors import (
    CodexIncomplete,
    CodexMissing,
    CodexTooOld,
    ImagegenError,
    Interrupted,
    Moderation,
    NetworkError,
    NoPicture,
    NotLoggedIn,
    OutExists,
    OutUnwritable,
    RateLimited,
    Refused,
    RunComfyAuth,
    RunTimeout,
    ToolUnavailable,
    UsageLimit,
)
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.runcomfy import job, token
from codex_imagegen.runner import attempts
from codex_imagegen.runner.attempts import Attempts, Backoff, NotStarted, not_started, stops_all

QUICK = Backoff(0.01, 1, 1, 3)
FULL = [OutUnwritable("full", errno=number) for number in (errno.ENOSPC, errno.EDQUOT)]


class Work:
    """Raises these errors in turn, and then succeeds."""

    def __init__(self, *errors: ImagegenError, then: Callable[[], None] = lambda: None) -> None:
        self.errors, self.then, self.calls = list(errors), then, 0

    def __call__(self) -> str:
        self.calls += 1
        self.then()
        if self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("error", [
    UsageLimit("x"), NotLoggedIn("x"), ToolUnavailable("x"), CodexMissing("x"), CodexTooOld("x"), CodexIncomplete("x"),
    RunComfyAuth("x"), *FULL,
])  # fmt: skip
@pytest.mark.parametrize("same_prompt", [True, False])
def test_error_that_stops_all_starts_nothing_more(error: ImagegenError, same_prompt: bool) -> None:
    tries = Attempts(Interrupt(), same_prompt, backoff=QUICK)
    with pytest.raises(type(error)):
        tries.run(Work(error))
    after = Work()
    with pytest.raises(NotStarted) as caught:
        tries.run(after)
    raised = caught.value.error
    assert (type(raised), raised.code, raised.exit_code, raised.spent) == (
        type(error),
        error.code,
        error.exit_code,
        False,
    )
    assert raised.message == f"not started: {error.message}"
    assert after.calls == 0


@pytest.mark.parametrize("error", [Moderation("x"), Refused("x")])
def test_refusal_stops_all_runs_of_the_same_prompt_only(error: ImagegenError) -> None:
    assert (stops_all(error, same_prompt=True), stops_all(error)) == (True, False)


@pytest.mark.parametrize("error", [
    NoPicture("x"), RunTimeout("x"), OutExists("x"), OutUnwritable("x", errno=errno.EACCES), OutUnwritable("x"),
    RateLimited("x"), NetworkError("x"), Interrupted("x"),
])  # fmt: skip
def test_other_errors_stop_only_their_own_run(error: ImagegenError) -> None:
    assert not stops_all(error, same_prompt=True)


def test_not_started_run_has_no_details_of_the_run_that_stopped_all() -> None:
    stopped = UsageLimit("used up", hint="wait", spent=True, resets_at=7)
    stopped.thread_id, stopped.codex_version, stopped.warnings = "t", "1", (("a", "b"),)
    raised = not_started(stopped)
    assert (raised.hint, raised.resets_at, raised.spent, raised.thread_id, raised.codex_version, raised.warnings) == (
        "wait", 7, False, None, None, (),
    )  # fmt: skip
    assert (stopped.message, stopped.spent, stopped.thread_id) == ("used up", True, "t")
    full = OutUnwritable("full", hint="the picture is not lost: recover t", errno=errno.ENOSPC)
    assert not_started(full).hint == "free disk space"


def test_not_started_run_names_no_request_of_another() -> None:
    stopped = RunComfyAuth("the token is refused", hint=token.SIGN_IN_HINT)
    job._add_request(stopped, "REQ-1")
    assert "REQ-1" in (stopped.hint or "")
    assert (not_started(stopped).hint, not_started(stopped).request_id) == (token.SIGN_IN_HINT, None)
    readable = RunComfyAuth("others can read the token file", hint="chmod 600 token.json")  # before any request
    assert not_started(readable).hint == "chmod 600 token.json"


def test_temporary_error_is_tried_again_and_each_failure_reported() -> None:
    heard: list[tuple[str, bool]] = []
    work = Work(RateLimited("a"), NetworkError("b"))
    tries = Attempts(Interrupt(), backoff=QUICK)
    assert tries.run(work, lambda error, again: heard.append((error.message, again))) == "done"
    assert (heard, work.calls) == ([("a", True), ("b", True)], 3)
    with pytest.raises(NetworkError, match="c"):
        tries.run(Work(RateLimited("a"), RateLimited("b"), NetworkError("c")))
    with pytest.raises(NoPicture):
        tries.run(work := Work(NoPicture("a")))
    assert work.calls == 1


def test_pause_beyond_the_limit_ends_the_attempts() -> None:
    tries = Attempts(Interrupt(), backoff=Backoff(60, 1, 60, 3))
    work = Work(RateLimited("a"))
    with pytest.raises(RateLimited):
        tries.run(work, within_sec=30)
    assert (work.calls, tries.stopped) == (1, None)


def test_pause_of_another_run_beyond_the_limit_ends_the_attempts() -> None:
    tries = Attempts(Interrupt(), backoff=Backoff(0.01, 1, 1, 3))
    work = Work(RateLimited("a"), then=lambda: tries.pause.start(0.3))
    with pytest.raises(RateLimited):
        tries.run(work, within_sec=0.2)
    assert work.calls == 1


def test_stop_between_attempts_reports_the_cost_of_the_first() -> None:
    tries = Attempts(Interrupt(), backoff=QUICK)
    work = Work(RateLimited("a", spent=True), then=lambda: tries.stop(UsageLimit("used up")))
    with pytest.raises(NotStarted) as caught:
        tries.run(work)
    assert (caught.value.error.message, caught.value.error.spent) == ("not tried again: used up", True)
    interrupt = Interrupt()
    with pytest.raises(Interrupted) as stopped:
        Attempts(interrupt, backoff=QUICK).run(Work(RateLimited("a", spent=True), then=interrupt.set))
    assert stopped.value.spent is True


@pytest.mark.parametrize(("costs", "expected"), [
    ((True, False), True), ((None, False), None), ((True, None), True), ((None, True), True), ((False, None), None),
    ((True, False, False), True), ((False, False), False),
])  # fmt: skip
def test_last_error_reports_the_cost_of_all_attempts(costs: tuple[bool | None, ...], expected: bool | None) -> None:
    heard: list[bool | None] = []
    *first, last = (NetworkError("x", spent=spent) for spent in costs)
    last = NoPicture("x", spent=last.spent)
    with pytest.raises(NoPicture) as caught:
        Attempts(Interrupt(), backoff=QUICK).run(Work(*first, last), lambda error, _again: heard.append(error.spent))
    assert (caught.value.spent, heard[-1]) == (expected, expected)


def test_interrupt_in_a_later_attempt_reports_the_cost_of_the_first() -> None:
    work = Work(RateLimited("a", spent=True), Interrupted("stop", spent=False))
    with pytest.raises(Interrupted) as caught:
        Attempts(Interrupt(), backoff=QUICK).run(work)
    assert (caught.value.spent, work.calls) == (True, 2)


def test_pause_ends_when_all_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, so the pause never ends; another run hits the limit during it."""
    tries = Attempts(Interrupt())
    slices: list[float] = []

    def sleep(seconds: float) -> None:
        slices.append(seconds)
        tries.stop(UsageLimit("used up"))
        assert len(slices) < 3, "it waits on"

    monkeypatch.setattr(attempts, "time", SimpleNamespace(monotonic=lambda: 0.0, sleep=sleep))
    tries.pause.start(60)
    with pytest.raises(NotStarted) as caught:
        tries.run(work := Work())
    assert (caught.value.error.message, work.calls, len(slices)) == ("not started: used up", 0, 1)
