"""Pauses between attempts: growing, bounded and with jitter."""

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
from codex_imagegen.runner import attempts
from codex_imagegen.runner.attempts import Backoff, Pause, is_retryable


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
def test_only_temporary_errors_are_tried_again(error: ImagegenError, again: bool) -> None:
    assert is_retryable(error) is again


def test_pause_lasts_its_time_and_can_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    time = SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda seconds: clock.append(clock.pop() + seconds))
    monkeypatch.setattr(attempts, "time", time)
    pause = Pause()
    pause.wait(lambda: None)
    assert clock == [0.0]
    pause.start(0.7)
    pause.start(0.3)  # the longer pause counts
    pause.wait(lambda: None)
    assert clock[0] == pytest.approx(0.7)

    def stop() -> None:
        raise UsageError("stop")

    pause.start(30)
    with pytest.raises(UsageError):
        pause.wait(stop)
