"""The official MCP SDK's client with a server that it starts: the installed command, over real stdio."""

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
async def connect(world: Lab, *options: str, **more: Any) -> AsyncIterator[Client]:
    """Start a server in the lab's working folder, and connect a client."""
    command, *args = world.argv("mcp", *options)
    parameters = StdioServerParameters(command=command, args=args, env=world.environment, cwd=world.work)
    with (world.tmp / "server.err").open("w") as errors:
        async with Client(stdio_client(parameters, errlog=errors), **more) as client:
            yield client


def run_async(main: Callable[[], Awaitable[Any]]) -> Any:
    """Run an async function in its own thread, as this one may have another test's event loop; returns its result."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, main).result()


def use(world: Lab, talk: Callable[[Client], Awaitable[Any]], *options: str, **more: Any) -> Any:
    """Run ``talk`` with a client, and return its result."""

    async def main() -> Any:
        with anyio.fail_after(LIMIT_SEC):
            async with connect(world, *options, **more) as client:
                return await talk(client)

    return run_async(main)


def errors(world: Lab) -> str:
    """The server's stderr."""
    return (world.tmp / "server.err").read_text()
