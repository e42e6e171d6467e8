"""Hosts of the server: the official client over real stdio, with the installed command and the real Codex."""

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
    """A client of a server of its own, which is started in the world's working folder."""
    command, *args = world.argv("mcp", *options)
    started = StdioServerParameters(command=command, args=args, env=world.environment, cwd=world.work)
    with (world.tmp / "server.err").open("w") as errors:
        async with Client(stdio_client(started, errlog=errors), **more) as client:
            yield client


def run(main: Callable[[], Awaitable[Any]]) -> Any:
    """What comes of it, in a thread of its own: the browser of another test may have a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, main).result()


def use(world: Lab, story: Callable[[Client], Awaitable[Any]], *options: str, **more: Any) -> Any:
    """What comes of a story with a client."""

    async def main() -> Any:
        with anyio.fail_after(LIMIT_SEC):
            async with connected(world, *options, **more) as client:
                return await story(client)

    return run(main)


def call(world: Lab, tool: str, *options: str, **arguments: Any) -> Any:
    """The answer of one call."""
    return use(world, lambda client: client.call_tool(tool, arguments), *options)


def texts(answer: Any) -> str:
    """The words of an answer."""
    return "\n".join(block.text for block in answer.content if block.type == "text")


def errors(world: Lab) -> str:
    """What the server said on stderr."""
    return (world.tmp / "server.err").read_text()
