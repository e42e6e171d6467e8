"""A fake OpenAI server on loopback, with what Codex 0.111.0 to 0.169.0 needs to make a picture.

The real Codex talks to it over HTTP. A :class:`Script` decides the answers; tests replace it to simulate errors.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

Item = dict[str, Any]
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 15,
}

_PRAGMA = re.compile(r'// @exec: \{"yield_time_ms": \d+\}')
_ADVICE = re.compile(r"first-line @exec directive to give the initial call (\d+) seconds")

_PATH = re.compile(r'<image name=\[[^]]*\] path="([^"]*)">')
"""How Codex from 0.142.0 on names the path of an attached picture."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request: ``size`` counts the bytes received, ``body`` is decompressed, ``at`` is a ``time.monotonic()``."""

    method: str
    path: str
    size: int
    body: bytes
    headers: dict[str, str]
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Script:
    """Decides the server's answers. This one draws a picture of the prompt with whichever tool the build offers."""

    draw_sec = 0.0
    """Seconds to wait before each picture."""

    closing_sec = 0.0
    """Seconds to wait before the closing message, which a plain ``codex exec`` waits for."""

    def respond(self, call: Call) -> Reply:
        """``POST …/responses``: one turn of the model."""
        request = call.json
        cell = running_cell(request)
        if cell is not None:
            return turn_reply([wait_call(cell, call_id=f"wait_{len(request['input'])}")])
        if has_tool_output(request):
            time.sleep(self.closing_sec)
            return turn_reply([message_item("Here it is.")])
        return turn_reply(self.call_tool(request))

    def call_tool(self, request: Any) -> list[Item]:
        """The items with which the model calls the image tool, or says that it has none."""
        prompt = prompt_of(request)
        match image_tool_kind(request):
            case "hosted":
                time.sleep(self.draw_sec)
                return [hosted_image_item(self.draw(prompt), prompt)]
            case "function":
                return [function_call(tool_arguments(request))]
            case "code":
                return [script_call(tool_arguments(request), first_line=exec_pragma(request))]
            case _:
                return [message_item("I have no tool for pictures.")]

    def picture(self, call: Call) -> Reply:
        """``POST …/images/…``: the picture of the function tool."""
        time.sleep(self.draw_sec)
        return images_reply([self.draw(str(call.json.get("prompt", "")))])

    def draw(self, prompt: str) -> bytes:
        """Draw the picture; returns a PNG."""
        from codex_imagegen.demo.drawing import draw

        return draw(prompt)

    def other(self, call: Call) -> Reply:
        """Any other request: 404. The WebSocket is refused with 426, so that Codex uses plain HTTP."""
        return Reply(426 if call.path.split("?")[0].endswith("/responses") else 404)


class FakeOpenAI:
    """A context manager that runs the server on a free port of 127.0.0.1. ``calls`` has every request so far."""

    def __init__(
        self,
        script: Script | None = None,
        decode: Callable[[bytes, str], bytes] | None = None,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        """``decode(body, encoding)`` decompresses a body; ``on_error`` gets a script's exceptions (else printed)."""
        self.script = script or Script()
        self.on_error = on_error
        self.calls: list[Call] = []
        self.decode = decode or (lambda body, _encoding: body)

    def __enter__(self) -> FakeOpenAI:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The server's address: scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def calls_to(self, suffix: str, method: str = "POST") -> list[Call]:
        """The requests so far whose path ends with ``suffix``."""
        return [c for c in tuple(self.calls) if c.method == method and c.path.split("?")[0].endswith(suffix)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    owner: FakeOpenAI

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report an error, except for a connection that a stopped Codex cut."""
        error = sys.exception()
        if error is None or isinstance(error, ConnectionError):
            return
        if self.owner.on_error is not None:
            self.owner.on_error(error)
        else:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Do not log requests to stderr."""

    def do_GET(self) -> None:
        self._answer(lambda script: script.other)

    def do_POST(self) -> None:
        path = self.path.split("?")[0]
        if path.endswith("/responses"):
            self._answer(lambda script: script.respond)
        elif "/images/" in path:
            self._answer(lambda script: script.picture)
        else:
            self._answer(lambda script: script.other)

    def _answer(self, choose: Callable[[Script], Callable[[Call], Reply]]) -> None:
        owner = cast(_Server, self.server).owner
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = owner.decode(raw, self.headers.get("content-encoding", ""))
        call = Call(self.command, self.path, len(raw), body, {k.lower(): v for k, v in self.headers.items()})
        owner.calls.append(call)
        try:
            self._send(choose(owner.script)(call))
        except ConnectionError:
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        self.send_header("content-length", str(len(reply.body)))
        for name, value in reply.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)


def turn_reply(items: Iterable[Item]) -> Reply:
    """A turn as server-sent events: created, each item done, completed."""
    response = {"id": "resp_1"}
    events: list[Item] = [{"type": "response.created", "response": response}]
    events += [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(items)]
    events.append({"type": "response.completed", "response": {**response, "usage": USAGE}})
    return events_reply(events)


def events_reply(events: Iterable[Item]) -> Reply:
    """Server-sent events of any kind."""
    text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return Reply(body=text.encode(), content_type="text/event-stream")


def images_reply(images: Iterable[bytes]) -> Reply:
    """The answer of the image endpoints."""
    data = [{"b64_json": base64.b64encode(image).decode()} for image in images]
    return Reply(body=json.dumps({"created": 1, "data": data}).encode())


def message_item(text: str) -> Item:
    """A message of the model."""
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "id": "msg_1", "content": content}


def hosted_image_item(picture: bytes, prompt: str, *, call_id: str = "ig_1", status: str = "completed") -> Item:
    """A picture of the hosted tool (up to 0.143.0)."""
    result = base64.b64encode(picture).decode()
    return {
        "type": "image_generation_call", "id": call_id, "status": status, "revised_prompt": prompt, "result": result
    }  # fmt: skip


def function_call(arguments: Item, *, call_id: str = "call_1") -> Item:
    """A call of the function tool (from 0.144.0)."""
    return {
        "type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "namespace": "image_gen",
        "name": "imagegen", "arguments": json.dumps(arguments),
    }  # fmt: skip


def script_call(arguments: Item, *, call_id: str = "call_1", first_line: str = "") -> Item:
    """A call of the function tool from a script of a code-mode model."""
    script = f"{first_line}generatedImage(await tools.image_gen__imagegen({json.dumps(arguments)}))"
    return {"type": "custom_tool_call", "id": f"ct_{call_id}", "call_id": call_id, "name": "exec", "input": script}


def exec_pragma(request: Any) -> str:
    """The first line of a script: the one that a developer message, or else the tool's description, asks for."""
    messages = (item for item in request.get("input", []) if item.get("role") == "developer")
    instructions = "\n".join(part.get("text", "") for message in messages for part in message.get("content", []))
    requested = _PRAGMA.search(instructions)
    if requested:
        return f"{requested[0]}\n"
    advised = _ADVICE.search(json.dumps(list(offered_tools(request))))
    return f'// @exec: {{"yield_time_ms": {advised[1]}000}}\n' if advised else ""


def running_cell(request: Any) -> str | None:
    """The id of a code-mode script that is still running and has to be waited for, or None."""
    last = request["input"][-1] if request.get("input") else {}
    found = re.match(r"Script running with cell ID (\w+)", str(last.get("output", "")))
    return found[1] if found else None


def wait_call(cell: str, *, call_id: str) -> Item:
    """A call with which the model waits for its script."""
    arguments = json.dumps({"cell_id": cell, "yield_time_ms": 60_000})
    return {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": "wait", "arguments": arguments}


def offered_tools(request: Any) -> Iterator[tuple[str | None, Item]]:
    """Each offered tool with its namespace, wherever the build lists them."""
    offered = list(request.get("tools") or [])
    for item in request.get("input", []):
        if item.get("type") == "additional_tools":
            offered += item.get("tools", [])
    for tool in offered:
        if tool.get("type") == "namespace":
            yield from ((tool["name"], inner) for inner in tool.get("tools", []))
        else:
            yield None, tool


def image_tool_kind(request: Any) -> str | None:
    """How this request offers the image tool: ``hosted``, ``function``, in ``code`` mode, or not at all (None)."""
    offered = list(offered_tools(request))
    if any(tool.get("type") == "image_generation" for _namespace, tool in offered):
        return "hosted"
    if any(space == "image_gen" and tool.get("name") == "imagegen" for space, tool in offered):
        return "function"
    code = [tool for _space, tool in offered if tool.get("name") == "exec" and tool.get("type") == "custom"]
    return "code" if code and "image_gen" in json.dumps(code) else None


def has_tool_output(request: Any) -> bool:
    """Whether the request has a tool's output since the user's last message, so that nothing is left to do."""
    kinds = {item.get("type") for item in items_since_prompt(request)}
    return bool(kinds & {"function_call_output", "custom_tool_call_output", "image_generation_call"})


def items_since_prompt(request: Any) -> list[Item]:
    """The items after the user's last message. A resumed thread has older turns before it."""
    items = list(request.get("input", []))
    prompts = [index for index, item in enumerate(items) if item.get("role") == "user"]
    return items[prompts[-1] + 1 :] if prompts else items


def tool_arguments(request: Any) -> Item:
    """The function tool's arguments: the prompt and the attached pictures, by path where Codex names their paths."""
    arguments: Item = {"prompt": prompt_of(request)}
    parts = _last_message(request)
    attached = sum(part.get("type") == "input_image" for part in parts)
    paths = [found[1] for part in parts if (found := _PATH.match(part.get("text", "")))]
    if attached and len(paths) == attached:
        arguments["referenced_image_paths"] = paths
    elif attached:
        arguments["num_last_images_to_include"] = attached
    return arguments


def prompt_of(request: Any) -> str:
    """The text of the user's last message."""
    texts = [part.get("text", "") for part in _last_message(request) if part.get("type") == "input_text"]
    return texts[-1] if texts else ""


def _last_message(request: Any) -> list[Item]:
    for item in reversed(request.get("input", [])):
        if item.get("role") == "user" and item.get("type", "message") == "message":
            return list(item.get("content", []))
    return []
