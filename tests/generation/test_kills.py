"""Signals and kills at every stage of a run: no torn picture, no leftovers, and no picture lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest

from codex_imagegen.cli import console
from codex_imagegen.codex import process
from codex_imagegen.codex.run import run as turn
from codex_imagegen.codex.sessions.rollout import RecordReader
from tests.support import builds, checks
from tests.support.checks import ENDS, DrawsSmall, assert_reported, finish, small_png, wait_until
from tests.support.in_process import call
from tests.support.lab import COMMAND, Outcome
from tests.support.scripts import HoldsPictures, NeverCloses

pytestmark = pytest.mark.real
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGQUIT: 131}
LIMIT_SEC = 60


def recorded_pictures(world):
    """The pictures that the rollouts hold."""
    lines = [line for path in world.rollouts() for line in path.read_bytes().split(b"\n")]
    records = RecordReader()
    return {candidate.data for line in lines for candidate in records.read(line)}


STAGES = {
    "start": lambda world: True,
    "folder": lambda world: world.leftovers,
    "rollout": lambda world: world.rollouts(),
    "model": lambda world: world.model_calls,
    "tool": lambda world: world.standin.script.asked,
    "picture": recorded_pictures,
    "file": lambda world: (world.work / "fox.png").exists(),
}
"""What there is to see of a run when it has come so far; the picture is held until the last two."""
IN_EVERY_RUN = {
    signal.SIGINT: {"folder", "model", "picture"},
    signal.SIGTERM: {"start", "rollout", "tool", "file"},
    signal.SIGKILL: {"folder", "tool", "picture"},
}


@pytest.mark.parametrize(("signum", "stage"), [
    pytest.param(signum, stage, marks=[] if stage in stages else pytest.mark.every_build)
    for signum, stages in IN_EVERY_RUN.items() for stage in STAGES
])  # fmt: skip
def test_run_killed_at_any_stage_leaves_no_torn_picture_and_no_leftovers(lab, signum, stage):
    world = lab(script=HoldsPictures(quick=int(stage in {"picture", "file"})))
    run = world.start(*FOX)
    wait_until(lambda: STAGES[stage](world), stage)
    run.send_signal(signum)
    done = finish(run)
    world.standin.script.free.set()
    path = world.work / "fox.png"
    assert not path.exists() or path.read_bytes() == small_png("a red fox")
    if signum == signal.SIGKILL:
        assert done.code in {-signal.SIGKILL, 0}
        wait_until(lambda: not checks.processes(world), "the Codex that was left behind")
        return
    checks.assert_clean(world)
    if done.code == 0:
        assert stage in {"picture", "file"}
        assert path.exists()
    elif done.code > 0:  # a signal that came before Python had started is the system's to handle
        assert done.code == CODES[signum]
        assert done.err.startswith("codex-imagegen: ") or done.err == ""


@pytest.mark.parametrize(("version", "signum"), [
    *[(builds.NEWEST, signum) for signum in CODES],
    (builds.OLDEST, signal.SIGINT),
    *[
        pytest.param(builds.OLDEST, signum, marks=pytest.mark.every_build)
        for signum in CODES if signum != signal.SIGINT
    ],
])  # fmt: skip
def test_run_with_a_signal_while_the_model_thinks_fails_as_interrupted(lab, version, signum):
    class Thinks(DrawsSmall):
        def respond(self, call):
            time.sleep(30)
            return super().respond(call)

    world = lab(version, script=Thinks())
    run = world.start(*FOX)
    wait_until(lambda: world.model_calls, "the model's turn")
    run.send_signal(signum)
    answer = assert_reported(finish(run), CODES[signum], "interrupted")
    assert answer["error"]["spent"] is None
    assert not (world.work / "fox.png").exists()
    checks.assert_clean(world)


@ENDS
def test_run_with_a_signal_after_its_picture_can_be_recovered(lab, version):
    world = lab(version, script=NeverCloses())
    run = world.start(*FOX, "--full-turn")
    wait_until(lambda: recorded_pictures(world), "the picture")
    run.send_signal(signal.SIGTERM)
    done = finish(run)
    checks.assert_clean(world)
    if done.code == 0:
        assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
        return
    answer = assert_reported(done, 143, "interrupted")
    assert answer["error"]["spent"] is True
    assert_recovered(world, answer["thread_id"])


@ENDS
def test_run_killed_after_its_picture_can_be_recovered(lab, version):
    world = lab(version, script=NeverCloses())
    run = world.start(*FOX, "--full-turn")
    wait_until(lambda: recorded_pictures(world), "the picture")
    run.kill()
    finish(run)
    assert recorded_pictures(world) == {small_png("a red fox")}
    world.standin.__exit__()  # the Codex that we left behind gives up its turn
    assert_recovered(world, "--last")
    left = checks.processes(world, wait=False)
    for pid in left:
        checks.kill(pid)


def assert_recovered(world, which):
    done = call("recover", which, "--out", "recovered.png", environment=world.environment, folder=world.work)
    assert (done.code, done.err) == (0, "")
    assert (world.work / "recovered.png").read_bytes() == small_png("a red fox")


@ENDS
def test_run_with_a_picture_by_the_timeout_delivers_it(lab, version):
    """Its seconds are over as soon as the picture is in the rollout."""
    world = lab(version, script=NeverCloses())
    began, now = time.monotonic(), time.monotonic

    def hurried():
        return now() + 600 * bool(time_is_up())

    def time_is_up():
        return now() - began > 1 and recorded_pictures(world)

    with mock.patch.object(time, "monotonic", hurried):
        done = world.call(*FOX, "--full-turn")
    assert done.code == 0
    assert world.standin.script.closed == 0  # its end was not waited for
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    checks.assert_clean(world)


READS = "print('Reading prompt from stdin...', file=sys.stderr, flush=True); sys.stdin.read()"
BEGINS = """print('{"type":"turn.started"}', flush=True)"""


def broken_codex(world, *lines):
    """A Codex that reads its prompt, then only takes signals, and logs them."""
    path = world.tmp / "codex"
    log = world.tmp / "log"
    head = ["import os, signal, sys, time", f"log = open({str(log)!r}, 'a', buffering=1)", READS]
    path.write_text("\n".join([f"#!{sys.executable}", *head, *lines, ""]))
    path.chmod(0o755)
    log.touch()
    return str(path), log


HURRIED = """
import os, signal, sys, time
from codex_imagegen.cli import console
from codex_imagegen.codex.run import events as stream, run
run.STOP_SIGNALS = ((signal.SIGINT, float(sys.argv[1])), (signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))
run.EARLY_STOP_SIGNALS = run.STOP_SIGNALS[1:]
console.REPEAT_SEC = float(sys.argv[2])
monotonic, time_is_up = time.monotonic, sys.argv[3]
time.monotonic = lambda: monotonic() + 1e6 * os.path.exists(time_is_up)
del sys.argv[1:4]
feed = stream.Events.feed
def note(events, *data):
    feed(events, *data)
    if events.turn_started:
        open(os.path.join(os.environ["TMPDIR"], "turn-started"), "w").close()
stream.Events.feed = note
from codex_imagegen.__main__ import main
main()
"""
"""The command with a clock of the test: seconds to wait after SIGINT (0.3 after SIGTERM), seconds in which a signal
repeats the one before, and a file with which its time is up. Another file appears when Codex's turn has begun."""


def start(world, codex, *arguments, interrupt_sec=0.3, repeat_sec=console.REPEAT_SEC):
    numbers = [str(interrupt_sec), str(repeat_sec), str(world.tmp / "time-is-up")]
    line = [sys.executable, "-c", HURRIED, *numbers, *FOX, "--codex", codex, *arguments]
    return subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=world.work,
        env=world.environment,
    )  # fmt: skip


def test_steps_to_end_codex_are_interrupt_then_terminate_then_kill():
    assert [signum for signum, _ in process.STOP_SIGNALS] == [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
    assert process.STOP_SIGNALS[1:] == process.EARLY_STOP_SIGNALS
    assert [seconds for _, seconds in process.STOP_SIGNALS] == [3.0, 2.0, 5.0]
    assert (turn.STOP_SIGNALS, turn.EARLY_STOP_SIGNALS, console.REPEAT_SEC) == (
        process.STOP_SIGNALS,
        process.EARLY_STOP_SIGNALS,
        1.0,
    )


STUBBORN = [
    "signal.signal(signal.SIGINT, lambda *_: print('INT', file=log))",
    "signal.signal(signal.SIGTERM, lambda *_: print('TERM', file=log))",
    "print('up', file=log)",
    "[time.sleep(1) for _ in range(60)]",
]


def begun(world, *lines):
    """One whose turn has begun, and which ends by no other signal than SIGKILL."""
    return broken_codex(world, *lines, BEGINS, *STUBBORN)


def test_second_signal_kills_codex_at_once_and_prints_the_object(lab):
    world = lab()
    codex, log = begun(world)
    run = start(world, codex, interrupt_sec=60, repeat_sec=0.05)
    wait_until(lambda: (world.tmp / "turn-started").exists() and log.read_text(), "the turn")
    run.send_signal(signal.SIGINT)
    wait_until(lambda: "INT" in log.read_text(), "the first signal")
    time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    assert_reported(finish(run), 130, "interrupted")
    assert checks.processes(world) == []
    assert log.read_text() == "up\nINT\n"  # the next step, SIGTERM, was not waited for


@pytest.mark.parametrize(
    "signals", [[signal.SIGINT], [signal.SIGTERM] * 2, [signal.SIGINT, signal.SIGTERM, signal.SIGINT]]
)
def test_repeated_signal_within_a_second_counts_once_and_every_step_is_taken(lab, signals):
    """timeout(1) sends two: to the process and to its group."""
    world = lab()
    codex, log = begun(world)
    run = start(world, codex, repeat_sec=60)
    wait_until(lambda: (world.tmp / "turn-started").exists() and log.read_text(), "the turn")
    for signum in signals:
        run.send_signal(signum)
    answer = assert_reported(finish(run), CODES[signals[0]], "interrupted")
    assert answer["error"]["spent"] is None  # it has its prompt
    assert log.read_text() == "up\nINT\nTERM\n"
    checks.assert_clean(world)


def test_third_signal_exits_at_once_and_prints_the_object(lab):
    """A run that hangs where ending Codex does not help, as in a write to a file server that is gone."""
    world = lab(offline=True)
    with subprocess.Popen(
        [sys.executable, "-c", HANGS, *FOX], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    ) as run:  # fmt: skip
        for count in range(3):
            assert run.stderr.readline() == b"heard %d\n" % count
            time.sleep(0.1)
            run.send_signal(signal.SIGTERM)
        done = Outcome(run.wait(LIMIT_SEC), run.stdout.read(), run.stderr.read().decode(), 0.0)
    assert (done.code, done.json["error"]["code"]) == (143, "interrupted")


HANGS = """
import sys, time
from codex_imagegen import generation
from codex_imagegen.cli import console, main
console.REPEAT_SEC = 0.05
def hang(*arguments, **more):
    heard = -1
    while True:
        if console._signals._count != heard:
            heard = console._signals._count
            print(f"heard {heard}", file=sys.stderr, flush=True)
        time.sleep(0.01)
generation.generate = hang
sys.exit(main.run(sys.argv[1:]))
"""
"""The command with a run that no signal ends; it reports how many it received."""


@pytest.mark.parametrize("signum", CODES)
def test_run_with_a_signal_while_it_prints_its_failure_prints_all_of_it(lab, signum):
    """The reader of stdout is slow: the pipe is full."""
    world = lab(offline=True)
    run = subprocess.Popen(
        [sys.executable, "-c", PRINTS_SLOWLY, *FOX, "--codex", "/nowhere/codex"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip
    assert run.stderr is not None
    assert run.stderr.readline() == b"printing\n"
    time.sleep(0.1)
    run.send_signal(signum)
    time.sleep(0.1)
    done = finish(run)
    assert (done.code, json.loads(done.out)["error"]["code"]) == (3, "codex-missing")


PRINTS_SLOWLY = """
import os, sys
from codex_imagegen import render
os.set_blocking(1, False)
try:
    while True:
        os.write(1, b" " * 4096)
except BlockingIOError:
    os.set_blocking(1, True)
failed = render.failure_result
def tell(*arguments, **more):
    print("printing", file=sys.stderr, flush=True)
    return failed(*arguments, **more)
render.failure_result = tell
from codex_imagegen.__main__ import main
main()
"""
"""The command, whose stdout is a full pipe; it reports when it begins to print its failure."""


def test_signal_before_codex_turn_sends_it_sigterm(lab):
    """It ignores SIGINT between its prompt and its turn (0.169.0)."""
    world = lab()
    codex, log = broken_codex(world, *STUBBORN)
    run = start(world, codex)
    wait_until(lambda: "up" in log.read_text(), "Codex")
    run.send_signal(signal.SIGINT)
    assert_reported(finish(run), 130, "interrupted")
    assert log.read_text() == "up\nTERM\n"
    checks.assert_clean(world)


def test_codex_runs_in_a_process_group_of_its_own(lab):
    """A terminal's Ctrl-C goes to our group; Codex has one of its own, and hears of it from us alone."""
    world = lab()
    codex, log = broken_codex(world, "print(os.getpgrp() == os.getpid(), file=log)", STUBBORN[3])
    run = start(world, codex)
    wait_until(lambda: "True" in log.read_text(), "Codex")
    run.send_signal(signal.SIGTERM)
    assert finish(run).code == 143
    checks.assert_clean(world)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signal_while_the_prompt_is_read_fails_as_interrupted(lab, signum):
    world = lab()
    run = subprocess.Popen(
        [COMMAND, "--prompt", "-", "--json", "--codex", "/nowhere/codex"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip
    assert run.stdin is not None
    with run:
        run.stdin.write(b"x" * 1_000_000)  # more than a pipe holds: it is being read
        run.send_signal(signum)
        run.wait(LIMIT_SEC)
        done = Outcome(run.returncode, run.stdout.read(), run.stderr.read().decode(), 0.0)
    assert_reported(done, CODES[signum], "interrupted")


def test_ignored_sighup_stays_ignored(lab):
    """As under nohup."""
    world = lab(script=HoldsPictures())
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", ignoring, *world.argv(*FOX)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip
    wait_until(lambda: world.model_calls, "the model's turn")
    run.send_signal(signal.SIGHUP)
    world.standin.script.free.set()
    assert finish(run).code == 0


def time_is_up(world):
    """A line of a broken Codex, with which its run times out."""
    return f"open({str(world.tmp / 'time-is-up')!r}, 'w').close()"


def test_stopped_codex_is_ended_at_the_timeout(lab):
    world = lab()
    codex, log = broken_codex(
        world, "print('up', file=log)", time_is_up(world), "os.kill(os.getpid(), signal.SIGSTOP)", STUBBORN[3]
    )
    assert_reported(finish(start(world, codex)), 5, "timeout")
    assert log.read_text() == "up\n"
    checks.assert_clean(world)


def test_codex_that_closes_its_streams_is_ended_at_the_timeout(lab):
    world = lab()
    codex, _log = broken_codex(world, "os.close(1); os.close(2)", time_is_up(world), STUBBORN[3])
    assert_reported(finish(start(world, codex)), 5, "timeout")
    checks.assert_clean(world)


def test_processes_that_codex_leaves_in_its_group_are_ended(lab):
    world = lab()
    codex, log = broken_codex(
        world, "print('up', file=log)", "if os.fork(): sys.exit(1)", "os.close(1); os.close(2)", STUBBORN[3]
    )
    assert_reported(finish(start(world, codex)), 5, "codex-failed")
    assert Path(log).read_text() == "up\n"
    checks.assert_clean(world)


ENDED = """
import sys, time
from codex_imagegen import __main__ as program
def wait(code):
    print("ended", file=sys.stderr, flush=True)
    time.sleep(60)
program._exit = wait
program.main()
"""
"""The command, which waits between its result and its exit."""


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["--nonsense", "--json"], 2)])
def test_signal_after_the_result_leaves_the_exit_code(lab, arguments, code):
    world = lab(offline=True)
    with subprocess.Popen(
        [sys.executable, "-c", ENDED, *arguments], env=world.environment, cwd=world.work,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        assert any(line == b"ended\n" for line in run.stderr)
        run.send_signal(signal.SIGTERM)
        assert run.wait(30) == code
