"""The MCP server on stdin and stdout: it ends when its client disconnects, or on a signal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import anyio
from anyio import to_thread
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)

from codex_imagegen._version import __version__
from codex_imagegen.errors import ImagegenError
from codex_imagegen.interrupt import Interrupt
from codex_imagegen.mcp_server import unreadable
from codex_imagegen.mcp_server.calls import CallHandler
from codex_imagegen.mcp_server.settings import Settings
from codex_imagegen.mcp_server.tools import INSTRUCTIONS

NAME = "codex-imagegen"


def serve(settings: Settings, interrupt: Interrupt, on_defect: Callable[[Exception], ImagegenError]) -> None:
    """Serve until stdin ends or the interrupt is set; every Codex has ended when this returns."""
    try:
        calls = CallHandler(settings, on_defect)
        anyio.run(_serve, _server(calls), calls.refuse, interrupt)
    except* BrokenPipeError:  # the client no longer reads: it has disconnected, as when stdin ends
        pass


def _server(calls: CallHandler) -> Server[Any]:
    async def list_tools(_ctx: ServerRequestContext[Any], _params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=list(calls.tools.values()))

    async def call_tool(ctx: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        if params.name not in calls.tools:
            raise MCPError(INVALID_PARAMS, f"there is no tool {params.name!r}; there are {', '.join(calls.tools)}")

        async def progress(elapsed: float, message: str) -> None:
            await ctx.session.report_progress(elapsed, message=message)

        return await calls.answer(params.name, params.arguments or {}, progress)

    return Server(
        NAME,
        version=__version__,
        title="Codex image generation",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


async def _serve(server: Server[Any], refuse: unreadable.RefuseCall, interrupt: Interrupt) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(_cancel_on_interrupt, interrupt, group.cancel_scope)
        # a read of the SDK's own stdin can't be cancelled; its stdout is closed to everything else in this process
        lines = _StdinLines(refuse)
        async with stdio_server(stdin=cast("Any", lines)) as (read, write):
            lines.answer = write.send
            lines.is_ready.set()
            await server.run(read, write, server.create_initialization_options())
        group.cancel_scope.cancel()


async def _cancel_on_interrupt(interrupt: Interrupt, scope: anyio.CancelScope) -> None:
    """Cancel everything when the interrupt is set, by a signal handler or another thread."""
    is_set, loop = anyio.Event(), asyncio.get_running_loop()
    unsubscribe = interrupt.on_set(lambda: cast("None", loop.call_soon_threadsafe(is_set.set)))
    try:
        await is_set.wait()
        scope.cancel()
    finally:
        unsubscribe()


class _StdinLines:
    """The lines of stdin, read in a thread that is abandoned when the server ends.

    A request that the SDK can't read is answered here, through ``answer``. Nothing is read before ``is_ready`` is set.
    """

    def __init__(self, refuse: unreadable.RefuseCall) -> None:
        self._refuse = refuse
        self.is_ready = anyio.Event()
        self.answer: Callable[[SessionMessage], Awaitable[None]]

    async def __aiter__(self) -> AsyncIterator[str]:
        await self.is_ready.wait()
        while data := await to_thread.run_sync(sys.stdin.buffer.readline, abandon_on_cancel=True):
            line = data.decode(errors="surrogateescape")  # bytes that are not UTF-8 become half surrogate pairs
            answer = unreadable.answer(line, self._refuse)
            if answer is None:
                yield line
            else:
                await self.answer(SessionMessage(cast("Any", _RawMessage(answer))))


class _RawMessage:
    """A line in the form of the SDK's messages, which can't have an id with half a surrogate pair."""

    def __init__(self, line: str) -> None:
        self._line = line

    def model_dump_json(self, **_options: object) -> str:
        """Return the line."""
        return self._line
