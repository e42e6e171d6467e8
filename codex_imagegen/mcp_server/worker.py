"""One call at work: in a thread of its own, with word of how it goes on, and stopped when its client asks for that."""

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
"""How often a client hears that its call is still at work: many end a call that is silent for a minute."""

T = TypeVar("T")
Work = Callable[[Interrupt, Callable[[Event], None]], T]
Progress = Callable[[float, str], Awaitable[None]]


async def run_work(work: Work[T], progress: Progress, limiter: anyio.CapacityLimiter) -> T | Exception:
    """What becomes of ``work``, which waits for its turn first: what it gives back, or what it raised.

    Cancelled, it asks the work to end, and returns when it has: Codex is gone then, and nothing is left behind.
    """
    interrupt, pulse = (
        Interrupt(),
        _ProgressReporter(progress, "at work" if limiter.available_tokens else "waiting for its turn"),
    )
    loop = asyncio.get_running_loop()

    def tell(event: Event) -> None:  # in whatever thread makes the picture
        loop.call_soon_threadsafe(pulse.hear, event)

    def attempt() -> T | Exception:
        try:
            interrupt.check()
            return work(interrupt, tell)
        except Exception as error:  # noqa: BLE001 - raised in here it would come out in a group
            return error

    async with anyio.create_task_group() as group:
        group.start_soon(_interrupt_on_cancel, interrupt)
        group.start_soon(pulse.beat)
        outcome = await to_thread.run_sync(attempt, limiter=limiter)
        group.cancel_scope.cancel()
    return outcome


async def _interrupt_on_cancel(interrupt: Interrupt) -> None:
    """Set the flag when this is cancelled: the thread, which no cancellation reaches, ends by it."""
    try:
        await anyio.sleep_forever()
    finally:
        interrupt.set()


class _ProgressReporter:
    """Tells of each step at once, and of the last one again and again; ``progress`` gets the seconds since the call."""

    def __init__(self, progress: Progress, step: str) -> None:
        self._progress, self._step, self._began = progress, step, time.monotonic()
        self._heard = anyio.Event()

    def hear(self, event: Event) -> None:
        """Note a step that there are words for; called in the event loop."""
        if event.stage in render.STAGES:
            self._step = render.stage(event)
            self._heard.set()

    async def beat(self) -> None:
        """Tell, for ever."""
        while True:
            self._heard = anyio.Event()
            elapsed = time.monotonic() - self._began
            await self._progress(elapsed, f"{self._step}, {elapsed:.0f} s")
            with anyio.move_on_after(HEARTBEAT_SEC):
                await self._heard.wait()
