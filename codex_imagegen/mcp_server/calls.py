"""Handle tool calls: check the arguments, make or recover the pictures, and return the result.

The doctor runs in its own process: on a timeout it kills every Codex of its process, and other calls have some in this
one. Each call runs in its own thread, reports its progress, and stops when its client cancels.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from mcp.types import CallToolResult, Tool

from codex_imagegen import generation, options, render
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import ImagegenError, InternalError, NoPicture, UsageError
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.mcp_server import results, tools, unreadable
from codex_imagegen.mcp_server.settings import MAX_COUNT, Settings
from codex_imagegen.mcp_server.undelivered import Call, UndeliveredImages
from codex_imagegen.recovery import write
from codex_imagegen.recovery.write import RecoveryOutput
from codex_imagegen.request import Event, Request
from codex_imagegen.values import parse_object

T = TypeVar("T")
Work = Callable[[Interrupt, Callable[[Event], None]], T]
_Work = Work[CallToolResult]
Progress = Callable[[float, str], Awaitable[None]]

_HINT = "see the schema of the tool"
_PATHS = {"out", "refs"}
"""The arguments that are paths, in which a leading ``~/`` is the home folder."""

DOCTOR_LIMIT_SEC = 60.0
"""The doctor's checks run at once, and each has its own timeout."""

HEARTBEAT_SEC = 5.0
"""Seconds between progress notifications: many clients end a call that is silent for a minute."""


class CallHandler:
    """Handles calls. ``on_defect`` turns any other exception into an error of the tree, and saves its traceback."""

    def __init__(self, settings: Settings, on_defect: Callable[[Exception], ImagegenError]) -> None:
        self.tools: dict[str, Tool] = {tool.name: tool for tool in tools.build_tools(settings)}
        self._settings, self._on_defect = settings, on_defect
        self._paid_slots = anyio.CapacityLimiter(settings.jobs)
        self._free_slots = anyio.CapacityLimiter(settings.jobs)
        self._undelivered = UndeliveredImages()

    async def answer(self, name: str, arguments: Mapping[str, Any], progress: Progress) -> CallToolResult:
        """Answer a call of a known tool; raises nothing but a cancellation."""
        try:
            values = self._check_arguments(self.tools[name], arguments)
            if name == "doctor":
                return await self._run(self._doctor_work(), progress, self._free_slots)
            if name == "recover_image":
                return await self._run(self._recovery_work(values), progress, self._free_slots)
            return await self._generate(values, name, progress)
        except ImagegenError as error:
            return results.format_error(error, self._settings)
        except Exception as error:  # noqa: BLE001 - the boundary
            return results.format_error(self._on_defect(error), self._settings)

    def refuse(self, name: str, arguments: Mapping[str, Any]) -> CallToolResult | None:
        """Refuse a call whose arguments are not valid Unicode; None if there is no such tool."""
        if name not in self.tools:
            return None
        invalid = [repr(key) for key, value in arguments.items() if not unreadable.is_valid_unicode({key: value})]
        message = f"{', '.join(invalid) or 'the request'} must be valid Unicode text"
        return results.format_error(UsageError(message, hint="send it without half a surrogate pair"), self._settings)

    async def _run(self, work: _Work, progress: Progress, limiter: anyio.CapacityLimiter) -> CallToolResult:
        result = await run_work(work, progress, limiter)
        if isinstance(result, Exception):
            raise result
        return result

    async def _generate(self, values: dict[str, Any], name: str, progress: Progress) -> CallToolResult:
        """Make the pictures; they count as undelivered from before the call waits for its turn until it is answered."""
        request = self._build_request(values, name)
        call = self._undelivered.add(request.prompt, request.count, request.backend)
        try:
            answer = await self._run(self._generation_work(request, call), progress, self._paid_slots)
        except BaseException as error:  # including a cancellation
            call.fail(error)
            raise
        call.finish()
        return answer

    def _doctor_work(self) -> _Work:
        return lambda interrupt, _on_event: results.format_doctor_report(run_doctor(self._settings, interrupt))

    def _check_arguments(self, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Check the names and types of the given arguments; raises :class:`UsageError`."""
        known = tool.input_schema["properties"]
        for name in arguments:
            if name not in known:
                raise UsageError(f"{tool.name} has no argument {name!r}", hint=options.suggest(name, known))
        kinds = {"thread_id": options.TYPES["prompt"]}
        values = {
            name: options.convert_value(name, value, hint=_HINT, kind=kinds.get(name))
            for name, value in arguments.items()
            if value is not None
        }
        values = {name: _expand_home(value) if name in _PATHS else value for name, value in values.items()}
        missing = [name for name in tool.input_schema["required"] if not values.get(name)]
        if missing:
            raise UsageError(f"{tool.name} needs {' and '.join(missing)}", hint=_HINT)
        return values

    def _build_request(self, values: dict[str, Any], name: str) -> Request:
        settings = self._settings
        backend = values.setdefault("backend", settings.backends[0])
        if backend not in settings.backends:
            raise UsageError(f"{name} is not offered with {backend!r}", hint=f"use {' or '.join(settings.backends)}")
        if values.get("count", 1) > MAX_COUNT:
            raise UsageError(f"--count can't be {values['count']} here", hint=f"give a number from 1 to {MAX_COUNT}")
        return replace(
            options.build_request(values),
            within=settings.roots,
            refs_within=settings.ref_roots,
            codex=settings.codex,
            codex_args=settings.codex_args,
        )

    def _generation_work(self, request: Request, call: Call) -> _Work:
        def work(interrupt: Interrupt, on_event: Callable[[Event], None]) -> CallToolResult:
            def record(event: Event) -> None:
                call.record(event)
                on_event(_add_number(event, request.count))

            call.result = generation.generate(request, interrupt=interrupt, on_event=record)
            return results.format_result(call.result, self._settings)

        return work

    def _recovery_work(self, values: dict[str, Any]) -> _Work:
        thread = values.get("thread_id") or self._undelivered.find_thread()
        if not layout.THREAD_ID.match(thread):
            raise UsageError(f"{thread!r} is not a thread_id", hint="give the one that a failure or a result named")
        image_options = options.parse_image_options(size=values.get("size"), fit=values.get("fit", False))
        output = RecoveryOutput(
            values.get("out"), None, values.get("force", False), image_options, self._settings.roots
        )

        def work(_interrupt: Interrupt, _on_event: Callable[[Event], None]) -> CallToolResult:
            try:
                result = write.recover([thread], output)
            except NoPicture:
                self._undelivered.remove(thread)
                raise
            self._undelivered.remove(thread)
            return results.format_result(result, self._settings)

        return work


def _expand_home(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    return options.expand_home(value) if isinstance(value, str) else tuple(map(options.expand_home, value))


def _add_number(event: Event, count: int) -> Event:
    """Add the number of the picture to the event's message, if there are several pictures."""
    if count == 1 or event.index is None or event.message:
        return event
    return replace(event, message=f"picture {event.index + 1} of {count}")


def run_doctor(settings: Settings, interrupt: Interrupt) -> dict[str, Any]:
    """Return the report of ``codex-imagegen doctor --json``; raises :class:`Interrupted` when the interrupt is set."""
    # -P: don't import modules from the working folder, which a model may write to
    argv = [sys.executable, "-P", "-m", "codex_imagegen", "doctor", "--json"]
    argv += ["--codex", settings.codex] if settings.codex else []
    silent = subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=silent, stdout=subprocess.PIPE, stderr=silent) as child:
        unsubscribe = interrupt.on_set(child.terminate)
        try:
            out, _none = child.communicate(timeout=DOCTOR_LIMIT_SEC)
        except subprocess.TimeoutExpired:
            child.kill()
            raise InternalError(
                "the doctor did not end in time", hint="the user can run it:\ncodex-imagegen doctor"
            ) from None
        finally:
            unsubscribe()
    interrupt.check()
    report = parse_object(out)
    if report is None:
        raise InternalError("the doctor gave no report", hint="the user can run it:\ncodex-imagegen doctor")
    return report


async def run_work(work: Work[T], progress: Progress, limiter: anyio.CapacityLimiter) -> T | Exception:
    """Wait for a free slot, run ``work``, and return its result or the exception that it raised.

    When cancelled, it interrupts the work and returns once the work has ended: Codex is gone then, and nothing is left.
    """
    interrupt = Interrupt()
    reporter = _ProgressReporter(progress, "running" if limiter.available_tokens else "waiting for its turn")
    loop = asyncio.get_running_loop()

    def on_event(event: Event) -> None:  # called in the thread that makes the picture
        loop.call_soon_threadsafe(reporter.record, event)

    def attempt() -> T | Exception:
        try:
            interrupt.check()
            return work(interrupt, on_event)
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
            self._step = render.stage_text(event)
            self._has_changed.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            self._has_changed = anyio.Event()
            elapsed = time.monotonic() - self._started
            await self._progress(elapsed, f"{self._step}, {elapsed:.0f} s")
            with anyio.move_on_after(HEARTBEAT_SEC):
                await self._has_changed.wait()
