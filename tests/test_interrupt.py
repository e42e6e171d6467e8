"""The cancellation flag."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from codex_imagegen.errors import Interrupted
from codex_imagegen.interrupt import SIGINT, SIGTERM, Interrupt


def test_error_of_what_makes_no_picture_speaks_of_none():
    interrupt = Interrupt(makes_pictures=False)
    interrupt.set(15)
    assert (interrupt.error().message, interrupt.error().hint, interrupt.error().exit_code) == ("terminated", None, 143)


def test_interrupt_is_unset_at_first():
    Interrupt().check()


@pytest.mark.parametrize(("signum", "word", "code"), [(SIGINT, "interrupted", 130), (SIGTERM, "terminated", 143)])
def test_first_signal_sets_the_exit_code(signum, word, code):
    interrupt = Interrupt()
    interrupt.set(signum)
    interrupt.set(SIGINT)
    with pytest.raises(Interrupted, match=word) as caught:
        interrupt.check(spent=None)
    assert (caught.value.exit_code, caught.value.spent) == (code, None)


def test_hook_is_called_for_each_signal_until_removed():
    interrupt, rung = Interrupt(), []
    leave = interrupt.on_set(lambda: rung.append(1))
    interrupt.set()
    interrupt.set()
    assert len(rung) == 2
    leave()
    interrupt.set()
    assert len(rung) == 2


def test_hook_added_after_a_signal_is_called_at_once():
    interrupt, rung = Interrupt(), []
    interrupt.set()
    interrupt.on_set(lambda: rung.append(1))
    assert rung == [1]


def test_hook_added_twice_is_removed_separately():
    interrupt, rung = Interrupt(), []
    ring = lambda: rung.append(1)  # noqa: E731
    leave, stay = interrupt.on_set(ring), interrupt.on_set(ring)
    leave()
    interrupt.set()
    assert rung == [1]
    stay()


def test_interrupt_is_set_from_a_signal_handler():
    interrupt = Interrupt()
    before = signal.signal(signal.SIGUSR1, lambda *_: interrupt.set(SIGTERM))
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert interrupt.signum == SIGTERM


def test_interrupt_is_set_from_another_thread():
    interrupt, woken = Interrupt(), threading.Event()
    interrupt.on_set(woken.set)
    thread = threading.Thread(target=interrupt.set)
    thread.start()
    assert woken.wait(60)
    thread.join()
    assert interrupt.error().exit_code == 130
    assert time.monotonic() > 0


def test_signal_numbers_are_those_of_the_system():
    assert (SIGINT, SIGTERM) == (signal.SIGINT, signal.SIGTERM)
