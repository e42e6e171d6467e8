"""A client that writes and reads the protocol's lines of JSON itself.

It is cheaper than the official SDK's client, and can misbehave.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.lab import Lab

LIMIT_SEC = 60


class RawClient:
    """A context manager with a server, started with ``options``, and the lines that it wrote to stdout (``lines``).

    With ``reads=False`` nobody reads its stdout. ``cwd`` replaces the lab's working folder.
    """

    def __init__(self, world: Lab, *options: str, reads: bool = True, cwd: Path | str | None = None) -> None:
        self.lines: list[bytes] = []
        self.progress: list[tuple[float, str]] = []
        """The progress notifications so far: seconds and text."""
        self._messages: queue.Queue[Any] = queue.Queue()
        self._next_id = 1000
        self.server = subprocess.Popen(
            world.argv("mcp", *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=cwd or world.work, env=world.environment,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        if reads:
            self._reader.start()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.kill()
        self.wait_ended()

    def write(self, data: bytes) -> None:
        """Write bytes to the server's stdin."""
        assert self.server.stdin
        self.server.stdin.write(data)
        self.server.stdin.flush()

    def send(self, method: str, params: Any = None, *, id: Any = None) -> None:  # noqa: A002 - the protocol's name
        """Send a request, or without an ``id`` a notification."""
        message = {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}
        self.write(json.dumps(message | ({} if id is None else {"id": id})).encode() + b"\n")

    def send_initialize(self) -> None:
        """Initialize with the protocol of 2025, without waiting for the answer."""
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}}
        self.send("initialize", about, id=0)
        self.send("notifications/initialized")

    def initialize(self) -> Any:
        """Initialize, and return the server's answer."""
        self.send_initialize()
        return self.wait_answer(0)

    def start_call(self, tool: str, arguments: Any, *, id: Any) -> None:  # noqa: A002
        """Call a tool with progress notifications, without waiting for the answer."""
        self.send("tools/call", {"name": tool, "arguments": arguments, "_meta": {"progressToken": id}}, id=id)

    def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool and return the result."""
        self._next_id += 1
        self.start_call(tool, arguments, id=self._next_id)
        return self.wait_answer(self._next_id)["result"]

    def cancel(self, id: Any) -> None:  # noqa: A002
        """Cancel a call."""
        self.send("notifications/cancelled", {"requestId": id, "reason": "the user said so"})

    def wait(self, wanted: Callable[[Any], object]) -> Any:
        """Return the next message for which ``wanted`` is true; those before it are dropped."""
        while True:
            message = self._messages.get(timeout=LIMIT_SEC)
            if "progress" in message.get("params", {}):
                self.progress.append((message["params"]["progress"], message["params"]["message"]))
            if wanted(message):
                return message

    def wait_answer(self, id: Any = None) -> Any:  # noqa: A002
        """Return the answer to the request with this id, or without an id the next answer."""
        return self.wait(
            lambda message: "id" in message and "method" not in message and (id is None or message["id"] == id)
        )

    def wait_progress(self, text: str) -> Any:
        """Return the next progress notification whose message begins with ``text``."""
        return self.wait(lambda message: message.get("params", {}).get("message", "").startswith(text))

    def close_stdin(self) -> None:
        """Disconnect."""
        assert self.server.stdin
        self.server.stdin.close()

    def wait_ended(self) -> tuple[int, str]:
        """Wait until the server ends; returns its exit code and stderr."""
        code = self.server.wait(LIMIT_SEC)
        if self._reader.is_alive():
            self._reader.join(LIMIT_SEC)
        assert self.server.stderr
        text = b"" if self.server.stderr.closed else self.server.stderr.read()
        for stream in (self.server.stdin, self.server.stdout, self.server.stderr):
            if stream:
                with contextlib.suppress(BrokenPipeError):  # the buffer was not empty
                    stream.close()
        return code, text.decode()

    def _read(self) -> None:
        assert self.server.stdout
        for line in self.server.stdout:
            self.lines.append(line)
            self._messages.put(json.loads(line))


def texts(result: Any) -> str:
    """The text of a call's result."""
    return "\n".join(block["text"] for block in result["content"] if block["type"] == "text")


def images(result: Any) -> list[Any]:
    """The previews in a call's result."""
    return [block for block in result["content"] if block["type"] == "image"]
