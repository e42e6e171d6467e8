"""A fake of RunComfy's API on the loopback: strict about the documentation, and able to misbehave.

Each route first uses up its queue of canned replies, and then answers as documented. A client's mistakes are listed in
``faults``, which the tests' fixture asserts to be empty.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "tok-5ecr3t/Value_that.must+never~appear="
REQUEST_ID = "req_0a1b2c-7"
MODELS = ("openai/gpt-image-2/text-to-image", "openai/gpt-image-2/edit")
SCHEMA = {
    "aspect_ratio": {"1:1", "3:2", "2:3", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"},
    "resolution": {"1k", "2k", "4k"},
    "quality": {"low", "medium", "high"},
    "output_format": {"png", "jpeg", "webp"},
}


@dataclass
class Reply:
    """One canned answer, in any shape: ``body`` is sent as it is, ``value`` as JSON."""

    status: int = 200
    value: Any = None
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False  # close without an answer
    reset: bool = False  # the same, with a TCP reset
    cut: int | None = None  # declare the full length, send that many bytes, close
    announce: str | None = None  # the Content-Length to declare; "" is none
    hold: threading.Event | None = None  # wait for it before answering
    raw: bytes | None = None  # sent instead of an HTTP answer

    def data(self) -> bytes:
        return self.body if self.body is not None else json.dumps(self.value).encode()


@dataclass(frozen=True)
class Call:
    """One received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class FakeRunComfy:
    """The server; ``with`` starts and ends it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.faults: list[str] = []
        self.replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self.files: dict[str, bytes] = {}
        self.states = deque(["completed"])  # the answers of /status; the last one is repeated
        self.output: Any = None  # None: the file at /files/out.png
        self.cost: Any = 0.04
        self.polls = deque([{"status": "authorized", "access_token": TOKEN}])
        self.cancel_outcome = "cancelled"
        self.submitted = 0
        self._scheme = "http"
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> FakeRunComfy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wrap(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "https"

    @property
    def web(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def base(self) -> str:
        return f"{self.web}/v1"

    @property
    def lines(self) -> list[str]:
        return [call.line for call in self.calls]

    def next(self, route: str, *replies: Reply) -> None:
        """Queue replies for ``route`` (submit, model, status, result, cancel, file, start, poll)."""
        self.replies[route].extend(replies)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    fake: FakeRunComfy

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that hang up, which some tests do."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        fake = self.server.fake
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        call = Call(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        fake.calls.append(call)
        route, default = _Api(fake, call).route()
        canned = fake.replies[route]
        self._send(canned.popleft() if canned else default())

    def _send(self, reply: Reply) -> None:
        if reply.hold is not None:
            reply.hold.wait(30)
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if reply.drop or reply.reset:
            self.close_connection = True
            self.connection.close()
            return
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            self.close_connection = True
            return
        data = reply.data()
        self.send_response(reply.status)
        length = str(len(data)) if reply.announce is None else reply.announce
        if length and "Transfer-Encoding" not in reply.headers:
            self.send_header("Content-Length", length)
        if not length or reply.announce is not None or reply.cut is not None:
            self.send_header("Connection", "close")
            self.close_connection = True
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data if reply.cut is None else data[: reply.cut])


class _Api:
    """Answers one call as the documentation says."""

    def __init__(self, fake: FakeRunComfy, call: Call) -> None:
        self.fake = fake
        self.call = call
        parts = urlsplit(call.path)
        self.path, self.query = parts.path, parse_qs(parts.query, keep_blank_values=True)

    def route(self) -> tuple[str, Any]:  # noqa: PLR0911 - a table of routes
        if self.path.startswith("/files/"):
            return "file", self._file
        if self.path.startswith("/api/cli-auth/"):
            step = self.path.removeprefix("/api/cli-auth/")
            if step not in ("start", "poll"):
                return self._not_found()
            return step, self._start if step == "start" else self._poll
        self._check_authorization()
        if match := re.fullmatch(r"/v1/models/([\w./-]+)", self.path):
            if self.call.method == "GET":
                return "model", lambda: self._model(match[1])
            return "submit", lambda: self._submit(match[1])
        if match := re.fullmatch(r"/v1/requests/([^/]+)/(status|result|cancel)", self.path):
            if match[1] != REQUEST_ID:
                return match[2], lambda: _error(404, 404001, "request not found")
            return match[2], getattr(self, f"_{match[2]}")
        return self._not_found()

    def _not_found(self) -> tuple[str, Any]:
        self._fault("there is no such route")
        return "none", lambda: _error(404, 404001, "not found")

    def _fault(self, message: str) -> None:
        self.fake.faults.append(f"{self.call.line}: {message}")

    def _check_method(self, method: str) -> None:
        if self.call.method != method:
            self._fault(f"is not {method}")

    def _check_authorization(self) -> None:
        if not re.fullmatch(r"Bearer \S+", self.call.headers.get("authorization", "")):
            self._fault("has no Authorization")

    def _refusal(self) -> Reply | None:
        if self.call.headers.get("authorization") != f"Bearer {TOKEN}":
            return _error(400, 400004, "invalid or expired token")
        return None

    def _submit(self, model: str) -> Reply:
        if refusal := self._refusal():
            return refusal
        if self.call.headers.get("content-type") != "application/json":
            self._fault("is not application/json")
        error = _schema_error(model, self.call.json)
        if error:
            self._fault(error)
            return Reply(422, {"error_code": 422000, "error_message": error})
        self.fake.submitted += 1
        url = f"{self.fake.base}/requests/{REQUEST_ID}"
        urls = {f"{name}_url": f"{url}/{name}" for name in ("status", "result", "cancel")}
        return Reply(200, {"request_id": REQUEST_ID, **urls})

    def _model(self, model: str) -> Reply:
        return self._refusal() or Reply(200, {"model_id": model, "base_price_usd": 0.04, "price_unit": "output"})

    def _status(self) -> Reply:
        self._check_method("GET")
        if refusal := self._refusal():
            return refusal
        states = self.fake.states
        word, _, position = (states.popleft() if len(states) > 1 else states[0]).partition(" ")
        place = {"queue_position": int(position)} if position else {}
        return Reply(200, {"request_id": REQUEST_ID, "status": word, **place})

    def _result(self) -> Reply:
        self._check_method("GET")
        if set(self.query) - {"include_cost"}:
            self._fault("has a strange query")
        if refusal := self._refusal():
            return refusal
        output = self.fake.output
        value = {
            "request_id": REQUEST_ID,
            "status": "succeeded",
            "output": {"image": f"{self.fake.web}/files/out.png"} if output is None else output,
            "created_at": "2026-01-01T00:00:00Z",
            "finished_at": "2026-01-01T00:00:09Z",
        }
        cost = {"cost": self.fake.cost} if self.query.get("include_cost") == ["true"] else {}
        return Reply(200, value | cost)

    def _cancel(self) -> Reply:
        self._check_method("POST")
        if refusal := self._refusal():
            return refusal
        outcome = self.fake.cancel_outcome
        status = "cancelled" if outcome == "cancelled" else "in_progress"
        return Reply(202, {"request_id": REQUEST_ID, "status": status, "outcome": outcome})

    def _file(self) -> Reply:
        if "authorization" in self.call.headers or TOKEN in str(self.call):
            self._fault("a download came with the token")
        name = self.path.removeprefix("/files/")
        data = self.fake.files.get(name)
        return Reply(404, body=b"no such file") if data is None else Reply(body=data)

    def _start(self) -> Reply:
        self._check_method("POST")
        return Reply(200, {
            "device_code": "device-code-1",
            "user_code": "ABCD-1234",
            "verify_url": f"{self.fake.web}/cli?code=ABCD-1234",
            "expires_in": 600,
            "poll_interval": 2,
        })  # fmt: skip

    def _poll(self) -> Reply:
        self._check_method("POST")
        if self.call.json != {"device_code": "device-code-1"}:
            self._fault("polls for another code")
        polls = self.fake.polls
        value = polls.popleft() if len(polls) > 1 else polls[0]
        return Reply(410 if value["status"] in ("denied", "expired") else 200, value)


def _error(status: int, code: int, message: str) -> Reply:
    return Reply(status, {"error_code": code, "error_message": message})


def _schema_error(model: str, body: Any) -> str | None:  # noqa: PLR0911 - a table of checks
    """Check an input against the schema of the two models; other models take anything."""
    if not isinstance(body, dict):
        return "the input is not an object"
    if model not in MODELS:
        return None
    allowed = {"prompt", *SCHEMA, *(["images"] if model.endswith("/edit") else [])}
    if unknown := set(body) - allowed:
        return f"unknown: {sorted(unknown)}"
    if not isinstance(body.get("prompt"), str) or not body["prompt"]:
        return "prompt is required"
    for name, values in SCHEMA.items():
        if name in body and body[name] not in values:
            return f"{name} can't be {body[name]!r}"
    if model.endswith("/edit"):
        images = body.get("images")
        if not isinstance(images, list) or not 1 <= len(images) <= 10:
            return "images: 1 to 10"
        if not all(isinstance(i, str) and i.startswith(("https://", "data:image/")) for i in images):
            return "images: https URLs or data URIs"
    return None
