"""However a call or its client ends, no Codex is left behind, and stdout has nothing but the protocol."""

from __future__ import annotations

import json
import signal
import time

import anyio
import pytest
from mcp.shared.exceptions import MCPError
from mcp.types import jsonrpc_message_adapter

from tests.mcp import hosts
from tests.mcp.wire import Wire
from tests.support import checks, scripts
from tests.support.checks import Small, made

pytestmark = pytest.mark.real
FOX = {"prompt": "a red fox", "out": "fox.png"}


class Thinks(Small):
    """The model thinks until nobody waits any more."""

    def respond(self, call):
        time.sleep(30)
        return super().respond(call)


def assert_nothing_made(world):
    checks.assert_clean(world)
    assert list(world.work.iterdir()) == []


def test_a_call_that_is_cancelled_stops_codex_and_the_server_serves_on(lab):
    world = lab(script=Thinks())
    with Wire(world) as wire:
        wire.hands_shaken()
        wire.call("generate_image", FOX, id=1)
        wire.heard("thinking")
        wire.send("notifications/cancelled", {"requestId": 1, "reason": "the user said so"})
        for _ in range(100):
            if checks.processes(world, wait=False) == [wire.server.pid]:
                break
            time.sleep(0.1)
        assert checks.processes(world, wait=False) == [wire.server.pid]
        world.standin.script = Small()
        wire.call("generate_image", FOX, id=2)
        answer = wire.until(lambda message: "id" in message)
        assert (answer["id"], answer["result"]["isError"]) == (2, False)  # and none with the id 1: it was cancelled
        wire.hang_up()
        assert wire.ended() == (0, "")
    assert (world.work / "fox.png").read_bytes() == made("a red fox")
    checks.assert_clean(world)


def test_a_client_that_waits_no_longer_stops_codex(lab):
    """The official client's own timeout: it tells the server."""
    world = lab(script=Thinks())

    async def story(client):
        with pytest.raises(MCPError, match="timed out"):
            await client.call_tool("generate_image", FOX, read_timeout_seconds=3)
        await anyio.sleep(1)
        return len(checks.processes(world, wait=False))

    assert hosts.use(world, story) == 1
    assert_nothing_made(world)


def test_one_of_two_calls_is_cancelled_and_the_other_is_not(lab):
    class Slow(Small):
        draw_sec = 2.0

    world = lab(script=Slow())
    with Wire(world) as wire:
        wire.hands_shaken()
        wire.call("generate_image", FOX, id="a")
        wire.call("generate_image", {"prompt": "an owl", "out": "owl.png"}, id="b")
        wire.heard("drawing")
        wire.send("notifications/cancelled", {"requestId": "a"})
        answer = wire.until(lambda message: "id" in message)
        assert (answer["id"], answer["result"]["isError"]) == ("b", False)
        wire.hang_up()
        wire.ended()
    assert [path.name for path in world.work.iterdir()] == ["owl.png"]
    checks.assert_clean(world)


@pytest.mark.parametrize("stage", ["at work", "starting", "thinking"])
def test_a_client_that_goes_away(lab, stage):
    world = lab(script=Thinks())
    with Wire(world) as wire:
        wire.hands_shaken()
        wire.call("generate_image", FOX, id=1)
        wire.call("generate_image", {"prompt": "an owl", "count": 2}, id=2)
        wire.heard(stage)
        wire.hang_up()
        assert wire.ended() == (0, "")
    assert_nothing_made(world)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("busy", [True, False])
def test_a_signal_ends_it_while_stdin_is_open(lab, signum, code, busy):
    world = lab(script=Thinks())
    with Wire(world) as wire:
        wire.hands_shaken()
        if busy:
            wire.call("generate_image", FOX, id=1)
            wire.heard("thinking")
        wire.server.send_signal(signum)
        exit_code, words = wire.ended()
    assert exit_code == code
    assert words.count("\n") == 1
    assert words.startswith("codex-imagegen: ")
    assert_nothing_made(world)


def test_a_client_that_reads_no_longer(lab):
    """It keeps stdin open, and is gone nevertheless."""
    world = lab(script=Thinks())
    with Wire(world, client=False) as wire:
        wire.shake_hands()
        wire.call("generate_image", FOX, id=1)
        for line in wire.server.stdout:
            if b"thinking" in line:
                break
        wire.server.stdout.close()
        assert wire.ended() == (0, "")
    assert_nothing_made(world)


def test_stdout_has_nothing_but_the_protocol(lab):
    """Whatever comes in, and whatever Codex says; each line is a message, and stderr is silent."""
    world = lab(script=scripts.RateLimits())
    with Wire(world) as wire:
        wire.write(b"no json\n\xff\xfe\n\n[1, 2]\n")
        wire.hands_shaken()
        wire.write(
            b'{"jsonrpc": "2.0", "id": 7}\n{"jsonrpc": "2.0", "id": {}, "method": "tools/list"}\n'
            + b"x" * 100_000
            + b"\n"
        )
        wire.send("tools/list", id=1)
        wire.send("resources/list", id=2)
        wire.send("tools/call", {"name": "generate_image"}, id=3)
        wire.send("tools/call", {"name": "generate_image", "arguments": "a fox"}, id=4)
        wire.call("generate_image", FOX, id=5)
        answers = {}
        while len(answers) < 5:
            answer = wire.until(lambda message: message.get("id") in {1, 2, 3, 4, 5})
            answers[answer["id"]] = answer
        wire.hang_up()
        code, words = wire.ended()
    assert (code, words) == (0, "")
    for line in wire.lines:
        jsonrpc_message_adapter.validate_json(line, by_name=False)
    assert len(answers[1]["result"]["tools"]) >= 3
    assert "error" in answers[2]
    assert "error" in answers[4]
    assert answers[3]["result"]["isError"]
    assert answers[5]["result"]["structuredContent"]["error"]["code"] == "rate-limited"
    checks.assert_clean(world)


def test_a_call_is_never_silent_for_long(lab, monkeypatch):
    """Word comes with each step, and again while a step lasts."""

    class Slow(Small):
        draw_sec = 6.0

    world = lab(script=Slow())
    heard = []

    async def note(progress, total, message):
        heard.append((progress, message))

    async def story(client):
        return await client.call_tool("generate_image", FOX, progress_callback=note)

    assert not hosts.use(world, story).is_error
    elapsed = [progress for progress, _message in heard]
    assert elapsed == sorted(set(elapsed))
    drawing = [message for _progress, message in heard if message.startswith("drawing")]
    assert len(drawing) >= 2
    assert json.dumps(heard[-1]).isascii()


def test_stdin_that_is_closed_from_the_beginning(lab):
    world = lab()
    done = world.run("mcp")
    assert (done.code, done.out, done.err) == (0, b"", "")
