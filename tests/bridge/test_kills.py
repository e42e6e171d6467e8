"""Whatever ends us, at whatever moment: no torn picture, nothing left behind, and no picture lost."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codex_imagegen.codex.rollout import Records
from tests.support import checks
from tests.support.checks import ENDS, Small, assert_told, made, until
from tests.support.lab import COMMAND, Outcome

pytestmark = pytest.mark.real
DICE = random.Random(20_260)  # the same moments in every run
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGQUIT: 131}
LIMIT_SEC = 60


class Slow(Small):
    """A picture takes its time, so that there is a moment in which it is being drawn."""

    draw_sec = 0.3


class Closing(Small):
    """The closing turn never ends, so that the picture lands long before Codex does."""

    closing_sec = 60.0


def ended(run):
    out, err = run.communicate(timeout=LIMIT_SEC)
    return Outcome(run.returncode, out, err.decode(), 0.0)


def landed(world):
    """The pictures that the rollouts hold."""
    lines = [line for path in world.rollouts() for line in path.read_bytes().split(b"\n")]
    records = Records()
    return {candidate.data for line in lines for candidate in records.read(line)}


@pytest.mark.parametrize("moment", [round(DICE.uniform(0.05, 1.8), 2) for _ in range(5)])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_kill_at_any_moment(lab, signum, moment):
    world = lab(script=Slow())
    run = world.start(*FOX)
    time.sleep(moment)
    run.send_signal(signum)
    done = ended(run)
    path = world.work / "fox.png"
    assert not path.exists() or path.read_bytes() == made("a red fox")
    if signum == signal.SIGKILL:
        assert done.code in {-signal.SIGKILL, 0}
        until(lambda: not checks.processes(world), "the Codex that was left behind")
        return
    checks.assert_clean(world)
    if done.code == 0:
        assert path.exists()
    elif done.code > 0:  # a signal that came before Python had started is the system's to handle
        assert done.code == CODES[signum]
        assert done.err.startswith("codex-imagegen: ") or done.err == ""


@ENDS
@pytest.mark.parametrize("signum", CODES)
def test_a_signal_while_the_model_thinks(lab, version, signum):
    class Thinks(Small):
        def respond(self, call):
            time.sleep(30)
            return super().respond(call)

    world = lab(version, script=Thinks())
    run = world.start(*FOX)
    until(lambda: world.model_calls, "the model's turn")
    run.send_signal(signum)
    answer = assert_told(ended(run), CODES[signum], "interrupted")
    assert answer["error"]["spent"] is None
    assert not (world.work / "fox.png").exists()
    checks.assert_clean(world)


@ENDS
def test_a_picture_that_landed_before_the_signal_can_be_fetched(lab, version):
    world = lab(version, script=Closing())
    run = world.start(*FOX, "--full-turn")
    until(lambda: landed(world), "the picture")
    run.send_signal(signal.SIGTERM)
    done = ended(run)
    checks.assert_clean(world)
    if done.code == 0:
        assert (world.work / "fox.png").read_bytes() == made("a red fox")
        return
    answer = assert_told(done, 143, "interrupted")
    assert answer["error"]["spent"] is True
    assert_recovered(world, answer["thread_id"])


@ENDS
def test_a_picture_that_landed_before_a_kill_is_in_the_rollout(lab, version):
    world = lab(version, script=Closing())
    run = world.start(*FOX, "--full-turn")
    until(lambda: landed(world), "the picture")
    run.kill()
    ended(run)
    assert landed(world) == {made("a red fox")}
    world.standin.__exit__()  # the Codex that we left behind gives up its turn
    assert_recovered(world, "--last")
    left = checks.processes(world, wait=False)
    for pid in left:
        checks.end(pid)


def assert_recovered(world, which):
    done = world.run_argv([COMMAND, "recover", which, "--out", "recovered.png"])
    assert (done.code, done.err) == (0, "")
    assert (world.work / "recovered.png").read_bytes() == made("a red fox")


@ENDS
def test_a_picture_that_landed_by_the_timeout_is_kept(lab, version):
    world = lab(version, script=Closing())
    done = world.run(*FOX, "--full-turn", "--timeout-sec", "5")
    assert done.code == 0
    assert (world.work / "fox.png").read_bytes() == made("a red fox")
    checks.assert_clean(world)


READS = "print('Reading prompt from stdin...', file=sys.stderr, flush=True); sys.stdin.read()"
BEGINS = """print('{"type":"turn.started"}', flush=True)"""


def broken_codex(world, *lines):
    """A Codex that reads its prompt, then only takes signals, and tells which."""
    path = world.tmp / "codex"
    told = world.tmp / "told"
    head = ["import os, signal, sys, time", f"told = open({str(told)!r}, 'a', buffering=1)", READS]
    path.write_text("\n".join([f"#!{sys.executable}", *head, *lines, ""]))
    path.chmod(0o755)
    told.touch()
    return str(path), told


def start(world, codex, *arguments):
    return subprocess.Popen(
        [COMMAND, *FOX, "--codex", codex, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip


STUBBORN = [
    "signal.signal(signal.SIGINT, lambda *_: print('INT', file=told))",
    "signal.signal(signal.SIGTERM, lambda *_: print('TERM', file=told))",
    "print('up', file=told)",
    "[time.sleep(1) for _ in range(60)]",
]


def begun(world, *lines):
    """One whose turn has begun, and which ends by no other signal than SIGKILL."""
    return broken_codex(world, *lines, BEGINS, *STUBBORN)


def test_a_second_signal_ends_codex_at_once_and_the_object_is_printed(lab):
    world = lab()
    codex, told = begun(world)
    run = start(world, codex)
    until(lambda: "up" in told.read_text(), "Codex")
    run.send_signal(signal.SIGINT)
    until(lambda: "INT" in told.read_text(), "the first signal")
    time.sleep(1.1)
    run.send_signal(signal.SIGINT)
    assert_told(ended(run), 130, "interrupted")
    assert checks.processes(world) == []
    assert told.read_text() == "up\nINT\n"  # the next step, SIGTERM, was not waited for


@pytest.mark.parametrize("signals", [[signal.SIGTERM] * 2, [signal.SIGINT, signal.SIGTERM, signal.SIGINT]])
def test_a_repeat_within_a_second_changes_nothing(lab, signals):
    """timeout(1) sends two: to the process and to its group."""
    world = lab()
    codex, told = begun(world)
    run = start(world, codex)
    until(lambda: "up" in told.read_text(), "Codex")
    for signum in signals:
        run.send_signal(signum)
    assert_told(ended(run), CODES[signals[0]], "interrupted")
    assert told.read_text() == "up\nINT\nTERM\n"
    checks.assert_clean(world)


def test_a_third_signal_waits_for_nothing_and_still_prints_the_object(lab):
    """A run that hangs where ending Codex does not help, as in a write to a file server that is gone."""
    world = lab(script=Small())
    program = "import sys, time; from codex_imagegen import generation; from codex_imagegen.cli import main\n"
    program += "generation.generate = lambda *a, **k: print('up', file=sys.stderr) or time.sleep(60)\n"
    program += "sys.exit(main.run(sys.argv[1:]))"
    run = subprocess.Popen(
        [sys.executable, "-c", program, *FOX], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip
    assert run.stderr is not None
    assert run.stderr.readline() == b"up\n"
    for _ in range(3):
        run.send_signal(signal.SIGTERM)
        time.sleep(1.1)
    done = ended(run)
    assert (done.code, done.json["error"]["code"]) == (143, "interrupted")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGQUIT])
def test_timeout_1_leaves_the_answer_whole(lab, signum):
    """It sends its signal to the process and then to the group, which is what a terminal does too."""
    world = lab(script=Slow())
    script = f"import os, signal, sys, time; time.sleep(0.9); [os.kill(int(sys.argv[1]), {int(signum)}) for _ in 'ab']"
    run = world.start("--prompt", "a red fox", "--out", "fox.png", "-n", "6", "--json")
    subprocess.run([sys.executable, "-c", script, str(run.pid)], check=True)
    done = ended(run)
    answer = done.json
    assert done.code in {0, CODES[signum]}
    assert {image["path"] for image in answer["images"]} == {str(path) for path in world.work.glob("fox-*.png")}
    checks.assert_clean(world)


@pytest.mark.parametrize("signum", CODES)
def test_a_signal_while_a_failure_is_printed(lab, signum):
    """The reader of stdout is slow."""
    world = lab()
    filled = "import os, sys; os.set_blocking(1, False)\n"
    filled += "try:\n while True: os.write(1, b' ' * 4096)\nexcept BlockingIOError: os.set_blocking(1, True)\n"
    filled += "print('up', file=sys.stderr, flush=True)\nos.execv(sys.argv[1], sys.argv[1:])"
    run = subprocess.Popen(
        [sys.executable, "-c", filled, COMMAND, *FOX, "--codex", "/nowhere/codex"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip
    assert run.stderr is not None
    assert run.stderr.readline() == b"up\n"
    time.sleep(1.5)
    run.send_signal(signum)
    time.sleep(0.2)
    done = ended(run)
    assert (done.code, json.loads(done.out)["error"]["code"]) == (3, "codex-missing")


def test_one_ctrl_c_ends_the_most_stubborn_codex(lab):
    world = lab()
    codex, told = begun(world)
    run = start(world, codex)
    until(lambda: "up" in told.read_text(), "Codex")
    run.send_signal(signal.SIGINT)
    answer = assert_told(ended(run), 130, "interrupted")
    assert answer["error"]["spent"] is None  # it has its prompt
    assert told.read_text() == "up\nINT\nTERM\n"
    checks.assert_clean(world)


def test_before_its_turn_codex_is_sent_the_signal_that_it_hears(lab):
    """It ignores SIGINT between its prompt and its turn (0.169.0)."""
    world = lab()
    codex, told = broken_codex(world, *STUBBORN)
    run = start(world, codex)
    until(lambda: "up" in told.read_text(), "Codex")
    run.send_signal(signal.SIGINT)
    assert_told(ended(run), 130, "interrupted")
    assert told.read_text() == "up\nTERM\n"
    checks.assert_clean(world)


def test_a_ctrl_c_to_the_whole_terminal(lab):
    """A terminal's Ctrl-C goes to our group; Codex has one of its own, and hears of it from us alone."""
    world = lab()
    codex, told = broken_codex(world, "print(os.getpgrp() == os.getpid(), file=told)", STUBBORN[3])
    run = start(world, codex)
    until(lambda: "True" in told.read_text(), "Codex")
    run.send_signal(signal.SIGTERM)
    assert ended(run).code == 143
    checks.assert_clean(world)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_prompt_is_read(lab, signum):
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
    assert_told(done, CODES[signum], "interrupted")


def test_a_signal_that_the_caller_has_us_ignore_stays_ignored(lab):
    """As under nohup."""
    world = lab(script=Slow())
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", ignoring, *world.argv(*FOX)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip
    until(lambda: world.model_calls, "the model's turn")
    run.send_signal(signal.SIGHUP)
    assert ended(run).code == 0


def test_a_codex_that_is_stopped_is_ended_all_the_same(lab):
    world = lab()
    codex, told = broken_codex(world, "print('up', file=told)", "os.kill(os.getpid(), signal.SIGSTOP)", STUBBORN[3])
    run = start(world, codex, "--timeout-sec", "2")
    assert_told(ended(run), 5, "timeout")
    assert told.read_text() == "up\n"
    checks.assert_clean(world)


def test_a_codex_that_closes_its_streams_and_lives_on(lab):
    world = lab()
    codex, _told = broken_codex(world, "os.close(1); os.close(2)", STUBBORN[3])
    assert_told(ended(start(world, codex, "--timeout-sec", "2")), 5, "timeout")
    checks.assert_clean(world)


def test_what_codex_leaves_behind_in_its_group_is_ended_too(lab):
    world = lab()
    codex, told = broken_codex(
        world, "print('up', file=told)", "if os.fork(): sys.exit(1)", "os.close(1); os.close(2)", STUBBORN[3]
    )
    assert_told(ended(start(world, codex)), 5, "codex-failed")
    assert Path(told).read_text() == "up\n"
    checks.assert_clean(world)
