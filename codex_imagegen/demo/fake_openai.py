"""A stand-in for the OpenAI back end on loopback: as much of it as Codex 0.111.0 to 0.169.0 needs to make a picture.

It is a real HTTP server that the real Codex talks to. What it answers is decided by a :class:`Script`, which tests
replace to play a back end that misbehaves.
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


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came: ``size`` is what went over the wire, ``body`` what it says."""

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
    """An answer: a status, a body, and how it is typed."""

    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Script:
    """What the back end says. This one draws a picture for the prompt, with whichever tool the build offers."""

    draw_sec = 0.0
    """Seconds that a picture takes."""

    closing_sec = 0.0
    """Seconds that the closing turn takes, which a bare Codex waits for."""

    def respond(self, call: Call) -> Reply:
        """``POST …/responses``: a turn of the model."""
        request = call.json
        cell = running(request)
        if cell is not None:
            return stream([wait_call(cell, call_id=f"wait_{len(request['input'])}")])
        if drawn(request):
            time.sleep(self.closing_sec)
            return stream([said("Here it is.")])
        return stream(self.call_tool(request))

    def call_tool(self, request: Any) -> list[Item]:
        """The items by which the model calls the image tool, or says that it has none."""
        prompt = prompt_of(request)
        match tool_of(request):
            case "hosted":
                time.sleep(self.draw_sec)
                return [hosted(self.draw(prompt), prompt)]
            case "function":
                return [function_call(arguments_of(request))]
            case "code":
                return [script_call(arguments_of(request), first_line=patience_of(request))]
            case _:
                return [said("I have no tool for pictures.")]

    def picture(self, call: Call) -> Reply:
        """``POST …/images/…``: the function tool's picture."""
        time.sleep(self.draw_sec)
        return pictures([self.draw(str(call.json.get("prompt", "")))])

    def draw(self, prompt: str) -> bytes:
        """The picture's bytes."""
        from codex_imagegen.demo.drawing import draw

        return draw(prompt)

    def other(self, call: Call) -> Reply:
        """Everything else: nothing is there. The WebSocket is refused, which makes Codex use plain HTTP."""
        return Reply(426 if call.path.split("?")[0].endswith("/responses") else 404)


class FakeOpenAI:
    """A context: entered, the server runs on a free port of 127.0.0.1; ``calls`` has every request so far."""

    def __init__(
        self,
        script: Script | None = None,
        decode: Callable[[bytes, str], bytes] | None = None,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        """``decode(body, encoding)`` undoes a body's encoding; ``on_error`` gets what a script raised, else printed."""
        self.script = script or Script()
        self.on_error = on_error
        self.calls: list[Call] = []
        self.decode = decode or (lambda body, _encoding: body)

    def __enter__(self) -> FakeOpenAI:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.standin = self
        self.port: int = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def calls_to(self, ending: str, method: str = "POST") -> list[Call]:
        """The calls so far whose path ends like this."""
        return [c for c in tuple(self.calls) if c.method == method and c.path.split("?")[0].endswith(ending)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    standin: FakeOpenAI

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A Codex that was stopped cuts its connections: that is no error, and nothing for anybody's stderr."""
        error = sys.exception()
        if error is None or isinstance(error, ConnectionError):
            return
        if self.standin.on_error is not None:
            self.standin.on_error(error)
        else:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""

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
        standin = cast(_Server, self.server).standin
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = standin.decode(raw, self.headers.get("content-encoding", ""))
        call = Call(self.command, self.path, len(raw), body, {k.lower(): v for k, v in self.headers.items()})
        standin.calls.append(call)
        try:
            self._send(choose(standin.script)(call))
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


def stream(items: Iterable[Item]) -> Reply:
    """A turn as server-sent events: created, each item done, completed."""
    answer = {"id": "resp_1"}
    events: list[Item] = [{"type": "response.created", "response": answer}]
    events += [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(items)]
    events.append({"type": "response.completed", "response": {**answer, "usage": USAGE}})
    return events_reply(events)


def events_reply(events: Iterable[Item]) -> Reply:
    """Any server-sent events."""
    text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return Reply(body=text.encode(), content_type="text/event-stream")


def pictures(drawn: Iterable[bytes]) -> Reply:
    """The answer of the images endpoints."""
    data = [{"b64_json": base64.b64encode(picture).decode()} for picture in drawn]
    return Reply(body=json.dumps({"created": 1, "data": data}).encode())


def failure(status: int, code: str, message: str, **more: object) -> Reply:
    """An error in OpenAI's words."""
    return Reply(status, json.dumps({"error": {"code": code, "message": message, **more}}).encode())


def said(text: str) -> Item:
    """The model answers in words."""
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "id": "msg_1", "content": content}


def hosted(picture: bytes, prompt: str, *, call_id: str = "ig_1", status: str = "completed") -> Item:
    """The hosted tool's picture (up to 0.143.0)."""
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
    """The same from a code-mode model's script."""
    script = f"{first_line}generatedImage(await tools.image_gen__imagegen({json.dumps(arguments)}))"
    return {"type": "custom_tool_call", "id": f"ct_{call_id}", "call_id": call_id, "name": "exec", "input": script}


_PRAGMA = re.compile(r'// @exec: \{"yield_time_ms": \d+\}')
_ADVICE = re.compile(r"first-line @exec directive to give the initial call (\d+) seconds")


def patience_of(request: Any) -> str:
    """The first line of a script: as the developer asks for it, or else as the tool's description does, or nothing."""
    messages = (item for item in request.get("input", []) if item.get("role") == "developer")
    told = "\n".join(part.get("text", "") for message in messages for part in message.get("content", []))
    asked = _PRAGMA.search(told)
    if asked:
        return f"{asked[0]}\n"
    advised = _ADVICE.search(json.dumps(list(tools(request))))
    return f'// @exec: {{"yield_time_ms": {advised[1]}000}}\n' if advised else ""


def running(request: Any) -> str | None:
    """The cell of a code-mode script that was handed back unfinished, to be waited for."""
    last = request["input"][-1] if request.get("input") else {}
    found = re.match(r"Script running with cell ID (\w+)", str(last.get("output", "")))
    return found[1] if found else None


def wait_call(cell: str, *, call_id: str) -> Item:
    """The model waits for its script."""
    arguments = json.dumps({"cell_id": cell, "yield_time_ms": 60_000})
    return {"type": "function_call", "id": f"fc_{call_id}", "call_id": call_id, "name": "wait", "arguments": arguments}


def tools(request: Any) -> Iterator[tuple[str | None, Item]]:
    """Each offered tool with its namespace, wherever the build puts them."""
    offered = list(request.get("tools") or [])
    for item in request.get("input", []):
        if item.get("type") == "additional_tools":
            offered += item.get("tools", [])
    for tool in offered:
        if tool.get("type") == "namespace":
            yield from ((tool["name"], inner) for inner in tool.get("tools", []))
        else:
            yield None, tool


def tool_of(request: Any) -> str | None:
    """How this request offers the image tool: ``hosted``, ``function``, in ``code`` mode, or not at all (None)."""
    offered = list(tools(request))
    if any(tool.get("type") == "image_generation" for _namespace, tool in offered):
        return "hosted"
    if any(space == "image_gen" and tool.get("name") == "imagegen" for space, tool in offered):
        return "function"
    code = [tool for _space, tool in offered if tool.get("name") == "exec" and tool.get("type") == "custom"]
    return "code" if code and "image_gen" in json.dumps(code) else None


def drawn(request: Any) -> bool:
    """Whether the request reports a tool's outcome since the user's last message: nothing is left to do."""
    kinds = {item.get("type") for item in since_asked(request)}
    return bool(kinds & {"function_call_output", "custom_tool_call_output", "image_generation_call"})


def since_asked(request: Any) -> list[Item]:
    """The items behind the user's last message: a thread that is gone on with has older turns before it."""
    items = list(request.get("input", []))
    asked = [at for at, item in enumerate(items) if item.get("role") == "user"]
    return items[asked[-1] + 1 :] if asked else items


def arguments_of(request: Any) -> Item:
    """What the model hands to the function tool: the prompt, and the attached pictures by path where it was told."""
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


_PATH = re.compile(r'<image name=\[[^]]*\] path="([^"]*)">')
"""How a Codex from 0.142.0 on tells the model where an attached picture lies."""


def _last_message(request: Any) -> list[Item]:
    for item in reversed(request.get("input", [])):
        if item.get("role") == "user" and item.get("type", "message") == "message":
            return list(item.get("content", []))
    return []
