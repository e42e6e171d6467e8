"""Codex's app-server: answers, refusals, timeouts and signals."""

from __future__ import annotations

import sys
import threading

import pytest

from codex_imagegen.codex.appserver import client
from codex_imagegen.codex.appserver.client import AppServer, RequestRefused
from codex_imagegen.codex.install import npm
from codex_imagegen.errors import CodexFailed, CodexMissing, Interrupted
from codex_imagegen.interrupt import Interrupt
from tests.support import builds, checks
from tests.support.checks import ENDS


def server(world, codex=None, interrupt=None):
    executable = codex or npm.find_binary(str(builds.codex(world.version)))
    return AppServer(str(executable), environment=world.environment, interrupt=interrupt or Interrupt())


@pytest.fixture
def fake_codex(lab):
    """Make a Python program in place of Codex."""
    world = lab()

    def make(*lines):
        path = world.tmp / "codex"
        path.write_text("\n".join([f"#!{sys.executable}", "import sys, time", *lines, ""]))
        path.chmod(0o755)
        return world, path

    return make


@pytest.mark.real
@ENDS
def test_unknown_method_is_refused_and_the_server_goes_on(lab, version):
    world = lab(version)
    with server(world) as client:
        for _ in range(2):
            with pytest.raises(RequestRefused) as refused:
                client.request("no/such/method", {})
            assert refused.value.is_unknown_method
        with pytest.raises(RequestRefused) as refused:
            client.request("thread/resume", {"threadId": "01a1fd90-6d88-77b0-8e4a-134f213fd3f2"})
        assert not refused.value.is_unknown_method
        assert "thread" in client.request("thread/start", {"cwd": "/"})
    assert checks.processes(world) == []


def test_server_that_ends_is_quoted(fake_codex):
    world, codex = fake_codex("sys.stderr.write('config.toml is \\x1b[31mbad\\n')", "sys.exit(1)")
    with pytest.raises(CodexFailed, match=r"has ended: config\.toml is"), server(world, codex):
        pass


def test_silent_server_fails_at_the_timeout(fake_codex, monkeypatch):
    monkeypatch.setattr(client, "ANSWER_SEC", 0.5)
    monkeypatch.setattr(client, "_CLOSING_SEC", 0.1)
    world, codex = fake_codex("print('rubbish', flush=True)", "print('[1, 2]', flush=True)", "time.sleep(60)")
    with pytest.raises(CodexFailed, match="does not answer"), server(world, codex):
        pass
    assert checks.processes(world) == []


def test_signal_ends_the_wait_and_leaves_the_server_to_end_by_itself(fake_codex, tmp_path):
    """It may be indexing the sessions of the home."""
    note = tmp_path / "ended"
    world, codex = fake_codex("sys.stdin.read()", "time.sleep(1)", f"open({str(note)!r}, 'w').close()")
    interrupt = Interrupt()
    threading.Timer(0.3, interrupt.set).start()
    with pytest.raises(Interrupted), server(world, codex, interrupt):
        pass
    assert checks.processes(world) == []
    assert note.exists()


SLOW_SERVER = """
import json
for line in sys.stdin:
    message = json.loads(line)
    time.sleep(0.5 * (message["method"] == "slow"))
    if "id" in message:
        print(json.dumps({"id": message["id"], "result": {"method": message["method"]}}), flush=True)
"""


def test_signal_does_not_end_a_request_that_must_finish(fake_codex):
    world, codex = fake_codex(SLOW_SERVER)
    interrupt = Interrupt()
    with server(world, codex, interrupt) as client:
        interrupt.set()
        assert client.request("slow", {}, finish_sec=60) == {"method": "slow"}
        with pytest.raises(Interrupted):
            client.request("slow", {}, finish_sec=0.1)


def test_server_that_cannot_be_started_raises(lab):
    world = lab()
    with pytest.raises(CodexMissing), server(world, world.tmp / "nowhere"):
        pass
