"""Pauses between tries: growing, bounded, and not in step."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from codex_imagegen.errors import (
    ImagegenError,
    Moderation,
    NetworkError,
    RateLimited,
    RunComfyRetry,
    UsageError,
    UsageLimit,
)
from codex_imagegen.runner import pool
from codex_imagegen.runner.pool import Backoff, Pause, is_retryable


def test_pauses_grow_to_their_longest() -> None:
    assert list(Backoff(4, 4, 60, 5).pauses(lambda _low, _high: 1.0)) == [4, 16, 60, 60]


def test_pauses_have_jitter() -> None:
    found = [next(Backoff(4).pauses()) for _ in range(100)]
    assert all(3 <= pause <= 5 for pause in found)
    assert max(found) - min(found) > 0.5


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (RateLimited("x"), True),
        (NetworkError("x"), True),
        (UsageLimit("x"), False),
        (Moderation("x"), False),
        (RunComfyRetry("x", spent=False), True),
        (RunComfyRetry("x", spent=None), False),
    ],
)
def test_passing_errors_alone_are_tried_again(error: ImagegenError, again: bool) -> None:
    assert is_retryable(error) is again


def test_shut_gate_holds_until_its_time_and_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    time = SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda seconds: clock.append(clock.pop() + seconds))
    monkeypatch.setattr(pool, "time", time)
    gate = Pause()
    gate.wait(lambda: None)
    assert clock == [0.0]
    gate.start(0.7)
    gate.start(0.3)  # the longer pause counts
    gate.wait(lambda: None)
    assert clock[0] == pytest.approx(0.7)

    def stop() -> None:
        raise UsageError("stop")

    gate.start(30)
    with pytest.raises(UsageError):
        gate.wait(stop)
