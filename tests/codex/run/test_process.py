"""One Codex process in a group of its own: streams, signals, and its end."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from codex_imagegen.codex import process
from codex_imagegen.codex.process import Process
from codex_imagegen.errors import CodexMissing


class Heard:
    """What a process said."""

    def __init__(self):
        self.out, self.err, self.changes = b"", b"", 0

    def on_out(self, chunk):
        self.out += chunk

    def on_err(self, chunk):
        self.err += chunk

    def on_change(self):
        self.changes += 1


@pytest.fixture
def start(tmp_path):
    started = []

    def begin(*argv, heard=None):
        heard = heard or Heard()
        environment = {"PATH": os.environ["PATH"]}
        child = Process(
            argv, folder=str(tmp_path), environment=environment, on_stdout=heard.on_out, on_stderr=heard.on_err,
            on_change=heard.on_change,
        )  # fmt: skip
        started.append(child)
        return child

    yield begin
    for child in started:
        child.send_signal(signal.SIGKILL)


def state(pid):
    """The letter that Linux gives a process's state, or None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def becomes(pid, states):
    for _ in range(250):
        if state(pid) in states:
            return True
        time.sleep(0.02)
    return False


def test_process_reads_both_streams_and_gets_the_whole_prompt(start):
    heard = Heard()
    child = start(
        sys.executable,
        "-c",
        "import sys; d = sys.stdin.read(); print(len(d)); print('no', file=sys.stderr)",
        heard=heard,
    )
    child.send(b"x" * 1_000_000)
    assert child.wait(20)
    child.drain()
    assert (child.exit_code, heard.out, heard.err) == (0, b"1000000\n", b"no\n")
    assert heard.changes >= 3


def test_process_that_never_reads_does_not_block(start):
    child = start("/bin/sh", "-c", "exit 3")
    child.send(b"x" * 1_000_000)
    assert child.wait(20)
    assert child.exit_code == 3


def test_process_that_cannot_be_started_is_codex_missing(start, tmp_path):
    (tmp_path / "no").write_text("not a program")
    for name in ("/nowhere/codex", str(tmp_path / "no"), "a\0b"):
        with pytest.raises(CodexMissing):
            start(name)


def test_process_is_interrupted_once(start):
    child = start("/bin/sh", "-c", "trap 'exit 7' INT; echo ready; while :; do sleep 0.05; done")
    time.sleep(0.3)
    child.interrupt()
    child.interrupt()
    assert child.wait(10)
    assert child.exit_code == 7


@pytest.mark.parametrize("deaf", ["INT", "INT TERM"])
def test_stop_ends_a_process_that_ignores_signals(start, deaf):
    child = start("/bin/sh", "-c", f"trap '' {deaf}; while :; do sleep 0.05; done")
    time.sleep(0.3)
    child.stop([(signum, 0.3) for signum, _ in process.STOP_SIGNALS[:2]] + [process.STOP_SIGNALS[2]])
    assert child.exit_code is not None
    assert child.exit_code < 0


def test_stop_ends_a_stopped_group(start):
    child = start("/bin/sleep", "30")
    os.killpg(child.pid, signal.SIGSTOP)
    assert becomes(child.pid, {"T"})
    child.stop()
    assert child.exit_code == -signal.SIGINT


def test_process_that_is_left_ends_by_itself_and_is_reaped(start):
    """No signal reaches it: it may hold a lease that a kill would leave behind."""
    heard = Heard()
    child = start("/bin/sh", "-c", "trap 'echo signal' INT TERM; cat; sleep 1; echo done; exit 4", heard=heard)
    child.detach()
    process.kill_all()
    child.detach()
    assert child.wait(20)
    child.drain()
    assert (child.exit_code, heard.out) == (4, b"done\n")
    assert state(child.pid) is None


def test_process_with_its_prompt_is_not_left(start):
    child = start("/bin/sleep", "30")
    child.send(b"x")
    child.detach()
    assert child.exit_code is None
    process.kill_all()
    assert child.wait(10)


@pytest.mark.parametrize("blocked", [{signal.SIGINT, signal.SIGTERM}, set(signal.Signals)])
def test_process_hears_signals_that_our_caller_blocks(start, blocked):
    before = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        child = start("/bin/sleep", "30")
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= before | {signal.SIGINT}  # ours stays as it was
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    child.interrupt()
    assert child.wait(10)
    assert child.exit_code == -signal.SIGINT


def test_process_that_was_reaped_gets_no_signal(start, monkeypatch):
    """Its number, and that of its group, may be somebody else's by then."""
    child = start("/bin/sh", "-c", "exit 0")
    assert child.wait(10)
    sent = []
    monkeypatch.setattr(os, "killpg", lambda *to: sent.append(to))
    child.send_signal(signal.SIGTERM)
    child.stop()
    process.kill_all()
    assert sent == []


def test_stop_ends_what_the_leader_leaves_in_its_group(start, tmp_path):
    child = start("/bin/sh", "-c", "sleep 30 & echo $! > orphan; exit 0")
    assert child.wait(10)
    orphan = int((tmp_path / "orphan").read_text())
    assert becomes(orphan, {None, "Z"})


def test_kill_all_ends_every_group(start):
    children = [start("/bin/sleep", "30") for _ in range(3)]
    process.kill_all()
    assert all(child.wait(10) and child.exit_code == -signal.SIGKILL for child in children)


def test_process_takes_messages_while_stdin_stays_open(start):
    heard = Heard()
    child = start("/bin/sh", "-c", 'while read line; do echo "heard $line"; done', heard=heard)
    child.write(b"one\n")
    child.write(b"two\n")
    child.send(b"")
    assert child.wait(10)
    child.drain()
    assert heard.out == b"heard one\nheard two\n"
    with pytest.raises((OSError, ValueError)):  # nobody is there any more
        child.write(b"three\n")


def test_brief_stop_ends_a_process_that_ignores_signals(start):
    heard = Heard()
    child = start("/bin/sh", "-c", "trap '' INT TERM; echo deaf; while :; do sleep 1; done", heard=heard)
    while not heard.out:
        time.sleep(0.01)
    child.stop(process.BRIEF_STOP_SIGNALS)
    assert child.exit_code == -signal.SIGKILL
