"""Pauses between tries: growing, bounded, and not in step."""

from __future__ import annotations

import time

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
from codex_imagegen.runner.backoff import Backoff, Gate, passes


def test_pauses_grow_to_their_bound() -> None:
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
def test_only_what_passes_is_tried_again(error: ImagegenError, again: bool) -> None:
    assert passes(error) is again


def test_a_shut_gate_holds_everybody_and_can_be_left() -> None:
    gate = Gate()
    gate.wait(lambda: None)
    gate.shut(0.3)
    began = time.monotonic()
    gate.wait(lambda: None)
    assert 0.25 < time.monotonic() - began < 2

    def stop() -> None:
        raise UsageError("stop")

    gate.shut(30)
    with pytest.raises(UsageError):
        gate.wait(stop)
