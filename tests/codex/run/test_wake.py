"""The wakeable event that a run sleeps on."""

from __future__ import annotations

import threading
import time

from codex_imagegen.codex.run.wake import WakeEvent


def slept(wake: WakeEvent, seconds: float) -> float:
    began = time.monotonic()
    wake.wait(seconds)
    return time.monotonic() - began


def test_sleep_without_a_wake_up_lasts_its_time():
    assert 0.05 <= slept(WakeEvent(), 0.05) < 2


def test_wake_up_before_sleep_is_remembered():
    wake = WakeEvent()
    wake.set()
    assert slept(wake, 30) < 5


def test_wake_up_ends_sleep():
    wake = WakeEvent()
    timer = threading.Timer(0.05, wake.set)
    timer.start()
    assert slept(wake, 30) < 5
    timer.join()


def test_wake_ups_are_merged():
    wake = WakeEvent()
    for _ in range(1000):
        wake.set()
    assert slept(wake, 30) < 5
    assert slept(wake, 0.05) >= 0.05


def test_sleep_of_no_time_returns():
    assert slept(WakeEvent(), 0) < 1
    assert slept(WakeEvent(), -5) < 1
