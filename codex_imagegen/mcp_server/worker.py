"""Run one call in its own thread, with progress notifications, and stop it when its client cancels."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio import to_thread

from codex_imagegen import render
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.request import Event

HEARTBEAT_SEC = 5.0
"""Seconds between progress notifications: many clients end a call that is silent for a minute."""

T = TypeVar("T")
Work = Callable[[Interrupt, Callable[[Event], None]], T]
Progress = Callable[[float, str], Awaitable[None]]


async def run_work(work: Work[T], progress: Progress, limiter: anyio.CapacityLimiter) -> T | Exception:
    """Wait for a free slot, run ``work``, and return its result or the exception that it raised.

    When cancelled, it interrupts the work and returns once the work has ended: Codex is gone then, and nothing is left.
    """
    interrupt = Interrupt()
    reporter = _ProgressReporter(progress, "running" if limiter.available_tokens else "waiting for its turn")
    loop = asyncio.get_running_loop()

    def tell(event: Event) -> None:  # called in the thread that makes the picture
        loop.call_soon_threadsafe(reporter.record, event)

    def attempt() -> T | Exception:
        try:
            interrupt.check()
            return work(interrupt, tell)
        except Exception as error:  # noqa: BLE001 - if raised here, it would come out in an exception group
            return error

    async with anyio.create_task_group() as group:
        group.start_soon(_interrupt_on_cancel, interrupt)
        group.start_soon(reporter.run)
        result = await to_thread.run_sync(attempt, limiter=limiter)
        group.cancel_scope.cancel()
    return result


async def _interrupt_on_cancel(interrupt: Interrupt) -> None:
    """Set the interrupt when this task is cancelled: a cancellation does not reach the thread, the interrupt does."""
    try:
        await anyio.sleep_forever()
    finally:
        interrupt.set()


class _ProgressReporter:
    """Reports each step at once, and repeats the last one; ``progress`` gets the seconds since the call."""

    def __init__(self, progress: Progress, step: str) -> None:
        self._progress, self._step, self._started = progress, step, time.monotonic()
        self._has_changed = anyio.Event()

    def record(self, event: Event) -> None:
        """Record a step, if it has a text; called in the event loop."""
        if event.stage in render.STAGES:
            self._step = render.stage(event)
            self._has_changed.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            self._has_changed = anyio.Event()
            elapsed = time.monotonic() - self._started
            await self._progress(elapsed, f"{self._step}, {elapsed:.0f} s")
            with anyio.move_on_after(HEARTBEAT_SEC):
                await self._has_changed.wait()
