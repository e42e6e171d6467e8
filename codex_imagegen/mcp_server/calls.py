"""The calls that the tools take: arguments made sure of, the story told by the rooms below, and its answer.

The doctor's report, asked of a process of its own.

It ends every Codex of its process that is still at work when its time is up, and those of other calls must not be
among them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import anyio
from mcp.types import CallToolResult, Tool

from codex_imagegen import generation, options
from codex_imagegen.codex.sessions import layout
from codex_imagegen.errors import ImagegenError, InternalError, NoPicture, UsageError
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.mcp_server import results, tools, unreadable
from codex_imagegen.mcp_server.settings import MAX_COUNT, Settings
from codex_imagegen.mcp_server.undelivered import Call, UndeliveredImages
from codex_imagegen.mcp_server.worker import Progress, Work, run_work
from codex_imagegen.recovery import write
from codex_imagegen.recovery.write import RecoveryOutput
from codex_imagegen.request import Event, Request
from codex_imagegen.values import parse_object

_Work = Work[CallToolResult]
_HINT = "see the schema of the tool"


class Calls:
    """Answers calls. ``on_defect`` makes an error of the tree out of any other exception, and keeps its traceback."""

    def __init__(self, settings: Settings, on_defect: Callable[[Exception], ImagegenError]) -> None:
        self.tools: dict[str, Tool] = {tool.name: tool for tool in tools.tools(settings)}
        self._settings, self._on_defect = settings, on_defect
        self._paid = anyio.CapacityLimiter(settings.jobs)
        self._free = anyio.CapacityLimiter(settings.jobs)
        self._owed = UndeliveredImages()

    async def answer(self, name: str, arguments: Mapping[str, Any], progress: Progress) -> CallToolResult:
        """The answer of a known tool; raises nothing but a cancellation."""
        try:
            found = self._checked(self.tools[name], arguments)
            if name == "doctor":
                return await self._settled(self._examining(), progress, self._free)
            if name == "recover_image":
                return await self._settled(self._recovering(found), progress, self._free)
            return await self._drawn(found, name, progress)
        except ImagegenError as error:
            return results.of_error(error, self._settings)
        except Exception as error:  # noqa: BLE001 - the boundary
            return results.of_error(self._on_defect(error), self._settings)

    def refuse(self, name: str, arguments: Mapping[str, Any]) -> CallToolResult | None:
        """The answer of a call whose arguments are not valid Unicode; None where there is no such tool."""
        if name not in self.tools:
            return None
        odd = ", ".join(repr(key) for key, value in arguments.items() if not unreadable.is_text({key: value}))
        told = f"{odd or 'the request'} must be valid Unicode text"
        return results.of_error(UsageError(told, hint="send it without half a surrogate pair"), self._settings)

    async def _settled(self, work: _Work, progress: Progress, limiter: anyio.CapacityLimiter) -> CallToolResult:
        outcome = await run_work(work, progress, limiter)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def _drawn(self, found: dict[str, Any], name: str, progress: Progress) -> CallToolResult:
        """Draw, and keep account of what is owed: from before the call waits for its turn until it is answered."""
        request = self._request(found, name)
        call = self._owed.begun(request.prompt, request.count, request.backend)
        try:
            answer = await self._settled(self._drawing(request, call), progress, self._paid)
        except BaseException as error:  # a cancellation, too
            call.failed(error)
            raise
        call.answered()
        return answer

    def _examining(self) -> _Work:
        return lambda interrupt, _tell: results.of_checkup(examined(self._settings, interrupt))

    def _checked(self, tool: Tool, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that were given, of their types; raises :class:`UsageError`."""
        known = tool.input_schema["properties"]
        for name in arguments:
            if name not in known:
                raise UsageError(f"{tool.name} has no argument {name!r}", hint=options.closest(name, known))
        kinds = {"thread_id": options.TYPES["prompt"]}
        found = {
            name: options.typed(name, value, hint=_HINT, kind=kinds.get(name))
            for name, value in arguments.items()
            if value is not None
        }
        missing = [name for name in tool.input_schema["required"] if not found.get(name)]
        if missing:
            raise UsageError(f"{tool.name} needs {' and '.join(missing)}", hint=_HINT)
        return found

    def _request(self, found: dict[str, Any], name: str) -> Request:
        settings = self._settings
        backend = found.setdefault("backend", settings.backends[0])
        if backend not in settings.backends:
            raise UsageError(f"{name} is not offered with {backend!r}", hint=f"use {' or '.join(settings.backends)}")
        if found.get("count", 1) > MAX_COUNT:
            raise UsageError(f"--count can't be {found['count']} here", hint=f"give a number from 1 to {MAX_COUNT}")
        return replace(
            options.request(found),
            within=settings.roots,
            refs_within=settings.ref_roots,
            codex=settings.codex,
            codex_args=settings.codex_args,
        )

    def _drawing(self, request: Request, call: Call) -> _Work:
        def work(interrupt: Interrupt, tell: Callable[[Event], None]) -> CallToolResult:
            def hear(event: Event) -> None:
                call.hear(event)
                tell(_numbered(event, request.count))

            call.result = generation.generate(request, interrupt=interrupt, tell=hear)
            return results.of_result(call.result, self._settings)

        return work

    def _recovering(self, found: dict[str, Any]) -> _Work:
        thread = found.get("thread_id") or self._owed.thread()
        if not layout.THREAD_ID.match(thread):
            raise UsageError(f"{thread!r} is no thread_id", hint="give the one that a failure or a result named")
        look = options.parse(size=found.get("size"), fit=found.get("fit", False))
        place = RecoveryOutput(found.get("out"), None, found.get("force", False), look, self._settings.roots)

        def work(_interrupt: Interrupt, _tell: Callable[[Event], None]) -> CallToolResult:
            try:
                result = write.recover([thread], place)
            except NoPicture:
                self._owed.settled(thread)
                raise
            self._owed.settled(thread)
            return results.of_result(result, self._settings)

        return work


def _numbered(event: Event, count: int) -> Event:
    """The event with the picture that it tells of, where there are several."""
    if count == 1 or event.index is None or event.message:
        return event
    return replace(event, message=f"picture {event.index + 1} of {count}")


LIMIT_SEC = 60.0
"""Each of its checks has a time of its own, and they all run at once."""


def examined(settings: Settings, interrupt: Interrupt) -> dict[str, Any]:
    """What ``codex-imagegen doctor --json`` prints; raises :class:`Interrupted` when somebody asks to stop."""
    # -P: a module in the working folder, which a model may write to, is no part of this program
    argv = [sys.executable, "-P", "-m", "codex_imagegen", "doctor", "--json"]
    argv += ["--codex", settings.codex] if settings.codex else []
    silent = subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=silent, stdout=subprocess.PIPE, stderr=silent) as child:
        unhook = interrupt.on_set(child.terminate)
        try:
            out, _none = child.communicate(timeout=LIMIT_SEC)
        except subprocess.TimeoutExpired:
            child.kill()
            raise InternalError("the doctor gave no answer", hint="run: codex-imagegen doctor") from None
        finally:
            unhook()
    interrupt.check()
    report = parse_object(out)
    if report is None:
        raise InternalError("the doctor gave no report", hint="run: codex-imagegen doctor")
    return report
