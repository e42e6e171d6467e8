"""Requests that are not valid Unicode or JSON-RPC: each is answered, and the server goes on."""

from __future__ import annotations

import json

import pytest
from mcp.types import jsonrpc_message_adapter

from codex_imagegen.errors import SessionMissing
from codex_imagegen.mcp_server import results
from codex_imagegen.mcp_server.settings import Settings
from tests.mcp_server.raw_client import RawClient, texts
from tests.support import checks, scripts
from tests.support.checks import small_png

HALF = r'"\ud800"'
CALL = '{"jsonrpc": "2.0", "id": %s, "method": "tools/call", "params": {"name": "%s", "arguments": {%s}}}'
TOOL_ERRORS = [
    CALL % (1, "generate_image", f'"prompt": {HALF}'),
    CALL % (2, "generate_image", r'"prompt": "a fox \udc00\ud83d and more"'),
    CALL % (3, "generate_image", f'"prompt": "a fox", "out": {HALF}'),
    CALL % (4, "generate_image", f'"prompt": "a fox", {HALF}: "x"'),
    CALL % (5, "edit_image", f'"prompt": "a fox", "refs": ["a.png", {HALF}]'),
    CALL % (6, "recover_image", f'"thread_id": {HALF}'),
    CALL % (7, "doctor", f'"x": {HALF}'),
    CALL % (8, "generate_image", '"prompt": "a\udcff fox"'),  # a byte that is not UTF-8
    CALL % (r'"\ud800"', "generate_image", f'"prompt": {HALF}'),
    CALL % (r'"id \ud800"', "generate_image", '"prompt": "a fox"'),
]
ERRORS = [
    CALL % (11, "draw", f'"prompt": {HALF}'),
    CALL % (12, r"\ud800", '"prompt": "a fox"'),
    '{"jsonrpc": "2.0", "id": 13, "method": "\\ud800"}',
    '{"jsonrpc": "2.0", "id": 14, "method": "no/such", "params": {"a": "\\ud800"}}',
    '{"jsonrpc": "2.0", "id": 15, "method": "tools/list", "params": {"\\ud800": 1}}',
    '{"jsonrpc": "2.0", "id": 16, "method": "tools/call", "params": "\\ud800"}',
    '{"jsonrpc": "2.0", "id": 17, "method": "tools/call", "params": 3}',
    '{"jsonrpc": "1.0", "id": 18, "method": "tools/list"}',
    '{"jsonrpc": "2.0", "id": 19, "method": 3}',
    '{"jsonrpc": "2.0", "id": 20, "method": "tools/list", "params": {"a": ' + "[" * 400 + "]" * 400 + "}}",
]
WITHOUT_ID = [
    '{"jsonrpc": "2.0", "id": 1.5, "method": "tools/list"}',
    '{"jsonrpc": "2.0", "id": {}, "method": "tools/list"}',
    '{"jsonrpc": "2.0", "id": true, "method": "\\ud800"}',
    '{"jsonrpc": "2.0", "id": 21, "method": "x", "params": ' + "[" * 100_000 + "]" * 100_000 + "}",
]
SILENT = [
    '{"jsonrpc": "2.0", "id": null, "method": "notifications/initialized"}',
    '{"jsonrpc": "2.0", "method": "notifications/\\ud800"}',
    '{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "\\ud800"}}',
    '{"jsonrpc": "2.0", "id": "\\ud800", "result": {}}',
    '"\\ud800"',
    '["\\ud800"]',
    '{"id": "\\ud8',
]


def request_id(line: str):
    return json.loads(line)["id"]


def ask(wire: RawClient, line: str):
    """Send a line, and return the answer."""
    wire.write(line.encode(errors="surrogateescape") + b"\n")
    return wire.wait_answer()


@pytest.mark.parametrize("first", ["initialize", pytest.param("ping", marks=pytest.mark.every_build)])
def test_unreadable_requests_are_answered_and_stdout_has_only_the_protocol(lab, first):
    """Whatever the input, and whatever Codex says: each line is a message, nothing is spent, and stderr is empty."""
    world = lab(script=scripts.RateLimits())
    with RawClient(world) as wire:
        assert ask(wire, json.dumps({"jsonrpc": "2.0", "id": 1, "method": first, "params": {"a": "\ud800"}}))["error"]
        wire.write(b"no json\n\xff\xfe\n\n[1, 2]\n")
        assert wire.initialize()["result"]["serverInfo"]["name"] == "codex-imagegen"
        assert_unreadable_answered(wire)
        for line in SILENT:
            wire.write(line.encode() + b"\n")
        assert ask(wire, '{"jsonrpc": "2.0", "id": 99, "method": "ping"}') == {
            "jsonrpc": "2.0", "id": 99, "result": {},
        }  # fmt: skip
        answers = unusual_answers(wire)
        assert world.standin.calls == []
        assert list(world.work.iterdir()) == []
        paid = wire.call("generate_image", prompt="a fox", backend="runcomfy")
        assert "no argument 'backend'" in texts(paid)  # the server was started without that option
        failed = wire.call("generate_image", prompt="a fox", out="fox.png")
        wire.close_stdin()
        assert wire.wait_ended() == (0, "")
    for line in wire.lines:
        if b"\\ud800" not in line:  # the id of the request, which the client chose
            jsonrpc_message_adapter.validate_json(line, by_name=False)
    assert len(answers[1]["result"]["tools"]) >= 3
    assert "error" in answers[2]
    assert "error" in answers[4]
    assert answers[3]["result"]["isError"]
    assert failed["structuredContent"]["error"]["code"] == "rate-limited"
    checks.assert_clean(world)


def assert_unreadable_answered(wire: RawClient):
    for line in TOOL_ERRORS:
        answer = ask(wire, line)
        assert answer["id"] == request_id(line), line
        assert answer["result"]["isError"], line
        assert answer["result"]["structuredContent"]["error"]["code"] == "usage", line
        assert "must be valid Unicode text" in answer["result"]["content"][0]["text"], line
    for line in ERRORS:
        answer = ask(wire, line)
        assert (answer["id"], type(answer["error"]["code"])) == (request_id(line), int), line
    for line in WITHOUT_ID:
        assert ask(wire, line)["id"] is None, line[:80]


def unusual_answers(wire: RawClient):
    """The answers, by id, to requests that are readable but unusual."""
    wire.write(
        b'{"jsonrpc": "2.0", "id": 7}\n{"jsonrpc": "2.0", "id": {}, "method": "tools/list"}\n' + b"x" * 100_000 + b"\n"
    )
    wire.send("tools/list", id=1)
    wire.send("resources/list", id=2)
    wire.send("tools/call", {"name": "generate_image"}, id=3)
    wire.send("tools/call", {"name": "generate_image", "arguments": "a fox"}, id=4)
    answers = {}
    while len(answers) < 4:
        answer = wire.wait(lambda message: message.get("id") in {1, 2, 3, 4})
        answers[answer["id"]] = answer
    return answers


@pytest.mark.real
def test_whole_surrogate_pairs_are_text(server):
    out = f'"{server.folder.name}/\\ud83e\\udd8a.png"'
    line = CALL % ('"pair"', "generate_image", r'"prompt": "a fox \ud83e\udd8a", "out": ' + out)
    assert not ask(server.client, line)["result"]["isError"]
    assert (server.folder / "🦊.png").read_bytes() == small_png("a fox 🦊")
    assert "a fox 🦊" in json.dumps(checks.requests(server.world)[0], ensure_ascii=False)


def test_answer_with_half_a_surrogate_pair_can_be_sent():
    settings = Settings(("/tmp",), ("/tmp",))
    error = SessionMissing("no session in '/tmp/\udcff'", hint="\ud800")
    for answer in (
        results.format_error(error, settings),
        results.format_doctor_report(
            {"ok": False, "checks": [{"status": "fail", "name": "\ud800", "message": "x", "hint": None}]}
        ),
    ):
        assert isinstance(answer.model_dump_json(), str)
        assert "\\ud" not in json.dumps(answer.structured_content)
