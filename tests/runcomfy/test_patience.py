from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from codex_imagegen.errors import Interrupted
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.runcomfy.patience import Patience, Slow, TimeUp


def patience(seconds: float = 10.0, **more: bool) -> Patience:
    return Patience(Interrupt(), time.monotonic() + seconds, **more)


def test_work_gives_back_and_raises_as_it_does() -> None:
    assert patience().call(lambda _: 7) == 7
    assert patience().call(lambda _: None) is None
    with pytest.raises(KeyError):
        patience().call(lambda _: {}["x"])


def test_an_interrupt_ends_a_call_at_once_and_tells_its_thread() -> None:
    waiter, told = patience(), threading.Event()

    def work(abandoned: threading.Event) -> None:
        waiter.interrupt.set(15)
        if abandoned.wait(5):
            told.set()

    began = time.monotonic()
    with pytest.raises(Interrupted) as caught:
        waiter.call(work, spent=None)
    assert time.monotonic() - began < 0.5
    assert (caught.value.exit_code, caught.value.spent) == (143, None)
    assert told.wait(5)


def test_an_interrupt_ends_a_pause_at_once() -> None:
    waiter = patience()
    threading.Timer(0.05, waiter.interrupt.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        waiter.pause(5)
    assert time.monotonic() - began < 1
    with pytest.raises(Interrupted):
        waiter.pause(5)
    with pytest.raises(Interrupted) as caught:
        waiter.call(lambda _: 1)
    assert caught.value.spent is False  # nothing was begun
    assert waiter.interrupt._wakers == []


def test_a_signal_handler_wakes_the_main_thread() -> None:
    waiter = patience()
    before = signal.signal(signal.SIGUSR1, lambda *_: waiter.interrupt.set())
    try:
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        began = time.monotonic()
        with pytest.raises(Interrupted):
            waiter.call(lambda abandoned: abandoned.wait(5))
        assert time.monotonic() - began < 1
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_deadline_ends_everything() -> None:
    with pytest.raises(TimeUp) as caught:
        patience(0.02).pause(5, spent=None)
    assert (caught.value.exit_code, caught.value.code, caught.value.spent) == (75, "runcomfy-retry", None)
    with pytest.raises(TimeUp):
        patience(0.02).call(lambda abandoned: abandoned.wait(5), limit=3)
    with pytest.raises(TimeUp):
        patience(-1).call(lambda _: 1)


def test_a_slow_call_is_not_the_end() -> None:
    with pytest.raises(Slow):
        patience().call(lambda abandoned: abandoned.wait(5), limit=0.02)


def test_grace_waits_for_an_answer_that_is_under_way() -> None:
    waiter = patience()

    def work(_: threading.Event) -> str:
        waiter.interrupt.set()
        time.sleep(0.05)
        return "an id"

    assert waiter.call(work, grace=5) == "an id"
    with pytest.raises(Interrupted):
        waiter.check()


def test_grace_has_an_end() -> None:
    waiter = patience()

    def work(abandoned: threading.Event) -> None:
        waiter.interrupt.set()
        abandoned.wait(5)

    with pytest.raises(Interrupted):
        waiter.call(work, grace=0.02)
    with pytest.raises(TimeUp):
        patience(0.02).call(lambda abandoned: abandoned.wait(5), grace=0.02)


def test_last_words_heed_only_another_stop() -> None:
    interrupt = Interrupt()
    interrupt.set()
    last = Patience(interrupt, time.monotonic() + 10, only_anew=True)
    assert last.call(lambda _: 3) == 3
    last.pause(0.01)

    def work(abandoned: threading.Event) -> None:
        interrupt.set()
        abandoned.wait(5)

    with pytest.raises(Interrupted):
        last.call(work)
    fresh = Patience(Interrupt(), time.monotonic() + 10, only_anew=True)
    assert fresh.call(lambda _: 4) == 4
