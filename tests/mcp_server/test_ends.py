"""However a call or its client ends, no Codex is left running; and a long call sends progress notifications."""

from __future__ import annotations

import itertools
import json
import signal
import threading

import anyio
import pytest
from mcp.shared.exceptions import MCPError

from codex_imagegen.mcp_server import calls
from codex_imagegen.request import Event
from tests.mcp_server import client
from tests.mcp_server.raw_client import RawClient
from tests.support import checks
from tests.support.checks import DrawsSmall, small_png

MORE = pytest.mark.every_build
FOX = {"prompt": "a red fox", "out": "fox.png"}


class Thinks(DrawsSmall):
    """The model thinks until ``free`` is set, and draws until ``done`` is set."""

    def __init__(self):
        self.free, self.done = threading.Event(), threading.Event()

    def respond(self, call):
        self.free.wait(60)
        return super().respond(call)

    def draw(self, prompt):
        self.done.wait(60)
        return super().draw(prompt)


def assert_nothing_made(world):
    checks.assert_clean(world)
    assert list(world.work.iterdir()) == []


@pytest.mark.real
def test_cancelled_call_stops_codex_and_gets_no_answer(server):
    server.play(Thinks())
    fox = {"prompt": "a red fox", "out": server.path("fox.png")}
    server.client.start_call("generate_image", fox, id="cancelled")
    server.client.wait_progress("thinking")
    server.client.cancel("cancelled")
    checks.wait_until(lambda: server.is_idle, "Codex to end")
    server.play(DrawsSmall())
    server.client.start_call("generate_image", fox, id="next")
    answer = server.client.wait_answer()
    assert (answer["id"], answer["result"]["isError"]) == ("next", False)
    assert (server.folder / "fox.png").read_bytes() == small_png("a red fox")
    server.assert_clean()


@pytest.mark.real
@pytest.mark.every_build
def test_timeout_of_official_client_cancels_the_call(lab):
    world = lab(script=Thinks())

    async def talk(server):
        with pytest.raises(MCPError, match="timed out"):
            await server.call_tool("generate_image", FOX, read_timeout_seconds=2)
        for _ in range(600):
            if len(checks.processes(world, wait=False)) <= 1:
                break
            await anyio.sleep(0.1)
        return len(checks.processes(world, wait=False))

    assert client.use(world, talk) == 1
    assert_nothing_made(world)


@pytest.mark.real
def test_cancelling_one_of_two_calls_leaves_the_other(server):
    class HoldsFoxes(DrawsSmall):
        def __init__(self):
            self.owls, self.foxes = threading.Event(), threading.Event()

        def draw(self, prompt):
            (self.foxes if "fox" in prompt else self.owls).wait(60)
            return super().draw(prompt)

    script = HoldsFoxes()
    server.play(script)
    server.client.start_call("generate_image", {"prompt": "a red fox", "out": server.path("fox.png")}, id="a")
    server.client.wait_progress("drawing")
    server.client.start_call("generate_image", {"prompt": "an owl", "out": server.path("owl.png")}, id="b")
    server.client.wait_progress("drawing")
    server.client.cancel("a")
    script.owls.set()
    answer = server.client.wait_answer()
    assert (answer["id"], answer["result"]["isError"]) == ("b", False)
    server.assert_clean()
    assert [path.name for path in server.folder.iterdir()] == ["owl.png"]


@pytest.mark.real
@pytest.mark.parametrize(
    "stage", [pytest.param("running", marks=MORE), pytest.param("starting", marks=MORE), "thinking"]
)
def test_client_that_disconnects_ends_server_codex_and_doctor(lab, stage):
    world = lab(script=Thinks())
    with RawClient(world) as wire:
        wire.initialize()
        wire.start_call("generate_image", FOX, id=1)
        wire.start_call("generate_image", {"prompt": "an owl", "count": 2}, id=2)
        wire.wait_progress(stage)
        wire.start_call("doctor", {}, id=3)
        wire.wait_progress("running")
        wire.close_stdin()
        assert wire.wait_ended() == (0, "")
    assert_nothing_made(world)


SIGNALS = [
    pytest.param(signal.SIGTERM, 143, True, id="SIGTERM-busy"),
    *(
        pytest.param(signum, code, busy, id=f"{signum.name}-{'busy' if busy else 'idle'}", marks=MORE)
        for signum, code in ((signal.SIGINT, 130), (signal.SIGHUP, 129))
        for busy in (True, False)
    ),
    pytest.param(signal.SIGTERM, 143, False, id="SIGTERM-idle", marks=MORE),
]
"""An idle server that gets SIGINT is in test_command.py."""


@pytest.mark.real
@pytest.mark.parametrize(("signum", "code", "busy"), SIGNALS)
def test_signal_ends_server_whose_stdin_is_open(lab, signum, code, busy):
    world = lab(script=Thinks())
    with RawClient(world) as wire:
        wire.initialize()
        if busy:
            wire.start_call("generate_image", FOX, id=1)
            wire.wait_progress("thinking")
        wire.server.send_signal(signum)
        exit_code, message = wire.wait_ended()
    assert exit_code == code
    assert message.count("\n") == 1
    assert message in {f"codex-imagegen: {how}.\n" for how in ("interrupted", "terminated", "hung up", "quit")}
    assert_nothing_made(world)


@pytest.mark.every_build
@pytest.mark.real
def test_client_that_closes_only_its_reading_end_ends_server_and_codex(lab):
    """It keeps stdin open, but the next progress notification can't be written."""
    script = Thinks()
    world = lab(script=script)
    with RawClient(world, reads=False) as wire:
        wire.send_initialize()
        wire.start_call("generate_image", FOX, id=1)
        for line in wire.server.stdout:
            if b"thinking" in line:
                break
        wire.server.stdout.close()
        script.free.set()
        assert wire.wait_ended() == (0, "")
    assert_nothing_made(world)


@pytest.mark.real
def test_progress_reports_each_step_with_growing_time(server):
    """Each step lasts until it was reported: of steps in quick succession, only the last one is."""
    script = Thinks()
    server.play(script)
    server.client.start_call("generate_image", {"prompt": "a red fox", "out": server.path("fox.png")}, id="fox")
    for step, end in (("thinking", script.free), ("drawing", script.done)):
        server.client.wait_progress(step)
        end.set()
    assert not server.client.wait_answer("fox")["result"]["isError"]
    progress = server.client.progress
    elapsed = [seconds for seconds, _message in progress]
    assert elapsed == sorted(set(elapsed))
    steps = [message.partition(",")[0] for _seconds, message in progress]
    assert steps[0] == "running"
    assert json.dumps(progress[-1]).isascii()


def test_progress_is_repeated_while_a_step_lasts(monkeypatch):
    """Many clients end a call that was silent for a minute."""
    assert calls.HEARTBEAT_SEC <= 10
    monkeypatch.setattr(calls, "HEARTBEAT_SEC", 0.02)
    steps, enough = [], threading.Event()

    async def progress(_elapsed, message):
        steps.append(message.partition(",")[0])
        if steps.count(steps[-1]) > 2 and steps[-1] != steps[0]:
            enough.set()

    def work(_interrupt, on_event):
        on_event(Event("drawing"))
        return enough.wait(60)

    async def main():
        return await calls.run_work(work, progress, anyio.CapacityLimiter(1))

    assert client.run_async(main) is True
    assert [step for step, _ in itertools.groupby(steps)] == ["running", steps[-1]]


@pytest.mark.every_build
def test_stdin_that_is_closed_from_the_beginning_is_no_error(lab):
    done = lab().run("mcp")
    assert (done.code, done.out, done.err) == (0, b"", "")
