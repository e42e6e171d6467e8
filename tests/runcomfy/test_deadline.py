from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from codex_imagegen.errors import Interrupted
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.runcomfy.deadline import CallTimeout, Deadline, DeadlineExceeded


def make_deadline(seconds: float = 120.0, **more: bool) -> Deadline:
    return Deadline(Interrupt(), time.monotonic() + seconds, **more)


def test_call_returns_and_raises_what_the_work_does() -> None:
    assert make_deadline().call(lambda _: 7) == 7
    assert make_deadline().call(lambda _: None) is None
    with pytest.raises(KeyError):
        make_deadline().call(lambda _: {}["x"])


def test_interrupt_ends_a_call_and_tells_its_thread() -> None:
    deadline, was_abandoned = make_deadline(), threading.Event()

    def work(abandoned: threading.Event) -> None:
        deadline.interrupt.set(15)
        if abandoned.wait(100):
            was_abandoned.set()

    with pytest.raises(Interrupted) as caught:
        deadline.call(work, spent=None)
    assert (caught.value.exit_code, caught.value.spent) == (143, None)
    assert was_abandoned.wait(60)


def test_interrupt_ends_a_pause() -> None:
    deadline = make_deadline()
    threading.Timer(0.05, deadline.interrupt.set).start()
    with pytest.raises(Interrupted):
        deadline.pause(100)
    with pytest.raises(Interrupted):
        deadline.pause(100)
    with pytest.raises(Interrupted) as caught:
        deadline.call(lambda _: 1)
    assert caught.value.spent is False  # nothing was started
    assert deadline.interrupt._hooks == []


def test_signal_handler_ends_a_call() -> None:
    deadline = make_deadline()
    before = signal.signal(signal.SIGUSR1, lambda *_: deadline.interrupt.set())
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        with pytest.raises(Interrupted):
            deadline.call(lambda abandoned: abandoned.wait(100))
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_deadline_ends_calls_and_pauses() -> None:
    with pytest.raises(DeadlineExceeded) as caught:
        make_deadline(0.02).pause(5, spent=None)
    assert (caught.value.exit_code, caught.value.code, caught.value.spent) == (75, "runcomfy-retry", None)
    with pytest.raises(DeadlineExceeded):
        make_deadline(0.02).call(lambda abandoned: abandoned.wait(100), limit=3)
    with pytest.raises(DeadlineExceeded):
        make_deadline(-1).call(lambda _: 1)


def test_call_over_its_limit_raises_slow() -> None:
    with pytest.raises(CallTimeout):
        make_deadline().call(lambda abandoned: abandoned.wait(100), limit=0.02)


def test_grace_waits_for_a_late_answer() -> None:
    deadline = make_deadline()

    def work(_: threading.Event) -> str:
        deadline.interrupt.set()
        time.sleep(0.05)
        return "an id"

    assert deadline.call(work, grace=60) == "an id"
    with pytest.raises(Interrupted):
        deadline.check()


def test_grace_ends_after_its_seconds() -> None:
    deadline = make_deadline()

    def work(abandoned: threading.Event) -> None:
        deadline.interrupt.set()
        abandoned.wait(100)

    with pytest.raises(Interrupted):
        deadline.call(work, grace=0.02)
    with pytest.raises(DeadlineExceeded):
        make_deadline(0.02).call(lambda abandoned: abandoned.wait(100), grace=0.02)


def test_ignore_earlier_stop_ignores_the_earlier_interrupt() -> None:
    interrupt = Interrupt()
    interrupt.set()
    last = Deadline(interrupt, time.monotonic() + 120, ignore_earlier_stop=True)
    assert last.call(lambda _: 3) == 3
    last.pause(0.01)

    def work(abandoned: threading.Event) -> None:
        interrupt.set()
        abandoned.wait(100)

    with pytest.raises(Interrupted):
        last.call(work)
    fresh = Deadline(Interrupt(), time.monotonic() + 120, ignore_earlier_stop=True)
    assert fresh.call(lambda _: 4) == 4
