"""Requests that no JSON of well-formed Unicode can say: each gets its answer, and the server lives on."""

from __future__ import annotations

import json

import pytest
from mcp.types import jsonrpc_message_adapter

from codex_imagegen.errors import SessionMissing
from codex_imagegen.server import answers
from codex_imagegen.server.settings import Settings
from tests.mcp.wire import Wire
from tests.support import checks
from tests.support.checks import Small, made

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
    CALL % (8, "generate_image", '"prompt": "a\udcff fox"'),  # a byte that is no UTF-8
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
NAMELESS = [
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


def number(line: str):
    return json.loads(line)["id"]


def asked(wire: Wire, line: str):
    """The answer to a request, which comes before that of the ping behind it."""
    wire.write(line.encode(errors="surrogateescape") + b"\n")
    return wire.until(lambda message: "id" in message and "method" not in message)


def test_every_request_is_answered_and_nothing_is_spent(lab):
    world = lab(script=Small())
    with Wire(world) as wire:
        wire.hands_shaken()
        for line in TOOL_ERRORS:
            answer = asked(wire, line)
            assert answer["id"] == number(line), line
            assert answer["result"]["isError"], line
            assert answer["result"]["structuredContent"]["error"]["code"] == "usage", line
            assert "must be valid Unicode text" in answer["result"]["content"][0]["text"], line
        for line in ERRORS:
            answer = asked(wire, line)
            assert (answer["id"], type(answer["error"]["code"])) == (number(line), int), line
        for line in NAMELESS:
            assert asked(wire, line)["id"] is None, line[:80]
        for line in SILENT:
            wire.write(line.encode() + b"\n")
        assert asked(wire, '{"jsonrpc": "2.0", "id": 99, "method": "ping"}') == {
            "jsonrpc": "2.0", "id": 99, "result": {},
        }  # fmt: skip
        wire.hang_up()
        assert wire.ended() == (0, "")
    assert world.standin.calls == []
    assert list(world.work.iterdir()) == []
    for line in wire.lines:
        if b"\\ud800" not in line:  # the id of the request, which the client itself has chosen
            jsonrpc_message_adapter.validate_json(line, by_name=False)


@pytest.mark.parametrize("line", ["initialize", "ping"])
def test_first_request_of_all(lab, line):
    with Wire(lab()) as wire:
        wire.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": line, "params": {"a": "\ud800"}}).encode() + b"\n")
        assert wire.until(lambda message: message.get("id") == 1)["error"]
        assert wire.hands_shaken()["result"]["serverInfo"]["name"] == "codex-imagegen"
        wire.hang_up()
        assert wire.ended() == (0, "")


@pytest.mark.real
def test_whole_pairs_are_text(lab):
    world = lab(script=Small())
    with Wire(world) as wire:
        wire.hands_shaken()
        answer = asked(wire, CALL % (1, "generate_image", r'"prompt": "a fox \ud83e\udd8a", "out": "\ud83e\udd8a.png"'))
        assert not answer["result"]["isError"]
        wire.hang_up()
        wire.ended()
    assert (world.work / "🦊.png").read_bytes() == made("a fox 🦊")
    assert "a fox 🦊" in json.dumps(checks.requests(world)[0], ensure_ascii=False)


def test_folder_whose_name_is_no_text_is_refused_at_once(lab):
    """Its bytes would be in every path of an answer, and no message can say them."""
    world = lab()
    folder = world.work / "f\udcff"
    folder.mkdir()
    done = world.run("mcp", "--root", str(folder))
    assert (done.code, done.out) == (2, b"")
    assert "is no Unicode text" in done.err


def test_answer_that_has_half_a_pair_in_it_can_be_sent():
    settings = Settings(("/tmp",), ("/tmp",))
    error = SessionMissing("no session in '/tmp/\udcff'", hint="\ud800")
    for answer in (
        answers.of_error(error, settings),
        answers.of_checkup(
            {"ok": False, "checks": [{"status": "fail", "name": "\ud800", "message": "x", "hint": None}]}
        ),
    ):
        assert isinstance(answer.model_dump_json(), str)
        assert "\\ud" not in json.dumps(answer.structured_content)
