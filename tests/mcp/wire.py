"""The bare protocol: lines of JSON to and from the installed command, for what a well-behaved client never does."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from typing import Any

from tests.support.lab import Lab

LIMIT_SEC = 60


class Wire:
    """A context: a server, and what it wrote on stdout, every line of it; without a ``client`` nobody reads that."""

    def __init__(self, world: Lab, *options: str, client: bool = True) -> None:
        self.lines: list[bytes] = []
        self._messages: queue.Queue[Any] = queue.Queue()
        self.server = subprocess.Popen(
            world.argv("mcp", *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            cwd=world.work, env=world.environment,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read)
        if client:
            self._reader.start()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.server.kill()
        self.ended()

    def send(self, method: str, params: Any = None, *, id: Any = None) -> None:  # noqa: A002 - the protocol's name
        message = {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}
        self.write(json.dumps(message | ({} if id is None else {"id": id})).encode() + b"\n")

    def write(self, data: bytes) -> None:
        assert self.server.stdin
        self.server.stdin.write(data)
        self.server.stdin.flush()

    def hands_shaken(self) -> Any:
        """The server's answer to a client of 2025."""
        self.shake_hands()
        return self.until(lambda message: message.get("id") == 0)

    def shake_hands(self) -> None:
        """Initialize as a client of 2025 does."""
        about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "wire", "version": "0"}}
        self.send("initialize", about, id=0)
        self.send("notifications/initialized")

    def call(self, tool: str, arguments: Any, *, id: Any) -> None:  # noqa: A002
        self.send("tools/call", {"name": tool, "arguments": arguments, "_meta": {"progressToken": id}}, id=id)

    def until(self, wanted: Any) -> Any:
        """The next message that is wanted; those before it are passed by."""
        while not wanted(message := self._messages.get(timeout=LIMIT_SEC)):
            pass
        return message

    def heard(self, words: str) -> Any:
        """The next word of progress that begins so."""
        return self.until(lambda message: message.get("params", {}).get("message", "").startswith(words))

    def hang_up(self) -> None:
        assert self.server.stdin
        self.server.stdin.close()

    def ended(self) -> tuple[int, str]:
        """The exit code, and stderr, of a server that ends."""
        code = self.server.wait(LIMIT_SEC)
        if self._reader.is_alive():
            self._reader.join(LIMIT_SEC)
        assert self.server.stderr
        words = b"" if self.server.stderr.closed else self.server.stderr.read()
        for stream in (self.server.stdin, self.server.stdout, self.server.stderr):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:  # something was still to be written
                    pass
        return code, words.decode()

    def _read(self) -> None:
        assert self.server.stdout
        for line in self.server.stdout:
            self.lines.append(line)
            self._messages.put(json.loads(line))
