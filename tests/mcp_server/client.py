"""The official MCP SDK's client on a server that it starts itself: the installed command, over real stdio."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.support.lab import Lab

LIMIT_SEC = 90


@contextlib.asynccontextmanager
async def connected(world: Lab, *options: str, **more: Any) -> AsyncIterator[Client]:
    """A client of a server of its own, which is started in the lab's working folder."""
    command, *args = world.argv("mcp", *options)
    started = StdioServerParameters(command=command, args=args, env=world.environment, cwd=world.work)
    with (world.tmp / "server.err").open("w") as errors:
        async with Client(stdio_client(started, errlog=errors), **more) as client:
            yield client


def run_async(main: Callable[[], Awaitable[Any]]) -> Any:
    """The result of an async function, run in a thread of its own: this one may have another test's event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, main).result()


def use(world: Lab, talk: Callable[[Client], Awaitable[Any]], *options: str, **more: Any) -> Any:
    """The result of ``talk`` with a client."""

    async def main() -> Any:
        with anyio.fail_after(LIMIT_SEC):
            async with connected(world, *options, **more) as client:
                return await talk(client)

    return run_async(main)


def errors(world: Lab) -> str:
    """What the server wrote on stderr."""
    return (world.tmp / "server.err").read_text()
