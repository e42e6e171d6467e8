"""``--events``: stderr is always JSON lines and nothing else, and the last one is the outcome."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from codex_imagegen.cli.main import COMMANDS
from tests.support import builds, history
from tests.support.checks import DrawsSmall
from tests.support.in_process import call
from tests.support.lab import COMMAND
from tests.support.outcome import Outcome
from tests.support.pictures import encoded
from tests.support.scripts import ClosesSlowly, FailsOnce, UsageLimit

FOX = ["--prompt", "a red fox", "--out", "fox.png", "--events"]
KEYS = {
    "schema", "event", "elapsed_sec", "index", "job", "thread_id", "request_id", "path", "message", "warning", "error",
}  # fmt: skip
STEPS = ["started", "thread", "drawing", "received", "written"]


def events(done):
    """The events of a run, each with every key."""
    assert all(line.keys() == KEYS for line in done.events)
    return done.events


def names(done):
    return [line["event"] for line in events(done)]


@pytest.mark.real
@pytest.mark.parametrize(
    ("version", "more"),
    [
        (builds.NEWEST, ["--full-turn"]),
        (builds.OLDEST, ["--quiet"]),
        pytest.param(builds.OLDEST, ["--full-turn"], marks=pytest.mark.every_build),
        pytest.param(builds.NEWEST, ["--quiet"], marks=pytest.mark.every_build),
    ],
)
def test_events_of_a_picture_name_each_step(lab, version, more):
    world = lab(version, script=DrawsSmall())
    done = world.run(*FOX, *more)
    assert names(done) == [*STEPS, "done"]
    assert done.text == f"{world.work / 'fox.png'}\n"
    lines = events(done)
    assert {line["thread_id"] for line in lines[1:-1]} == {history.thread_of(world.rollouts()[0])}
    assert [line["path"] for line in lines] == [None] * 4 + [str(world.work / "fox.png"), None]
    assert [line["index"] for line in lines] == [0] * 5 + [None]


@pytest.mark.every_build
@pytest.mark.real
def test_events_of_several_pictures_carry_their_index_and_failures(lab):
    world = lab(script=FailsOnce())
    done = world.run(*FOX, "--count", "3", "--jobs", "1", "--json")
    lines = events(done)
    by_index = {n: [line["event"] for line in lines if line["index"] == n] for n in (0, 1, 2)}
    assert by_index == {0: ["started", "thread", "drawing", "failed"], 1: STEPS, 2: STEPS}
    (failed,) = [line for line in lines if line["event"] == "failed"]
    assert failed["error"] == done.json["failures"][0]["error"]
    assert (lines[-1]["index"], lines[-1]["error"]) == (None, done.json["error"])
    assert done.code == lines[-1]["error"]["exit_code"] == 1


@pytest.mark.real
def test_events_carry_warnings_and_output_of_codex(lab):
    done = lab(script=DrawsSmall()).run(*FOX, "--size", "5x5", "--verbose")
    lines = events(done)
    assert any("stdin" in line["message"] for line in lines if line["event"] == "message")
    (warning,) = [line for line in lines if line["event"] == "warning"]
    assert warning["warning"] == {"code": "size-differs", "message": warning["message"]}


@pytest.mark.real
def test_last_event_of_a_failure_names_its_thread(lab):
    world = lab(script=UsageLimit())
    done = world.run(*FOX, "--json")
    last = events(done)[-1]
    assert (last["error"], last["thread_id"]) == (done.json["error"], done.json["thread_id"])
    assert last["message"] == last["error"]["message"]
    assert last["thread_id"] in world.rollouts()[0].name


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("more", [["--events", "--nonsense"], ["--nonsense", "--json", "--events"]])
def test_events_of_wrong_arguments_are_one_error(name, more):
    done = call(name, *more)
    assert (done.code, names(done)) == (2, ["error"])
    assert events(done)[0]["error"]["code"] == "usage"
    assert done.json["error"] == events(done)[0]["error"] if "--json" in more else done.out == b""


@pytest.mark.parametrize("before", ["--prompt", "-p", "-vp", "--"])
def test_events_as_an_option_value_is_not_the_flag(before):
    done = call("--out", "fox.gif", before, "--events")
    assert done.code == 2
    assert done.err.startswith("codex-imagegen: ")


@pytest.mark.real
@pytest.mark.parametrize("signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.every_build)])
def test_events_of_an_interrupted_run_end_with_error(lab, signum):
    world = lab(script=ClosesSlowly())
    run = world.start(*FOX, "--full-turn")
    before = read_until(run, "received")
    run.send_signal(signum)
    done = finish(run)
    done = replace(done, err=before + done.err)
    assert (done.code, names(done)) == (128 + signum, [*STEPS[:4], "error"])
    assert events(done)[-1]["error"]["code"] == "interrupted"


def test_events_after_a_second_signal_end_with_error(lab):
    """Codex has five seconds to end after the first signal."""
    world = lab(offline=True)
    codex = world.tmp / "codex"
    reads = "echo Reading prompt from stdin... >&2; cat; echo ready >&2"
    codex.write_text(f"#!/bin/sh\ntrap '' INT TERM\n{reads}\nwhile :; do sleep 0.1; done\n")
    codex.chmod(0o755)
    run = subprocess.Popen(
        [COMMAND, *FOX, "--verbose", "--codex", str(codex)], cwd=world.work, env=world.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    before = read_until(run, "ready")
    run.send_signal(signal.SIGINT)
    time.sleep(1.2)
    run.send_signal(signal.SIGINT)
    done = finish(run)
    done = replace(done, err=before + done.err)
    assert (done.code, names(done)[-1], done.out) == (130, "error", b"")
    assert events(done)[-1]["error"]["spent"] is None


def finish(run):
    """Wait for the process to end."""
    out, err = run.communicate(timeout=90)
    return Outcome(run.returncode, out, err.decode(), 0.0)


def read_until(run, word):
    """Read the run's stderr up to a line with this word."""
    lines = []
    for line in run.stderr:
        lines.append(line.decode())
        if word in lines[-1]:
            break
    return "".join(lines)


BROKEN = """
import sys, threading, warnings
from codex_imagegen import __main__, generation

def broken(*_, **__):
    warnings.warn("careful")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    sys.stderr.write("half a line")
    raise RuntimeError("for the test")

generation.generate = broken
__main__.main()
"""


def test_events_carry_internal_errors_thread_failures_and_python_warnings(lab):
    world = lab(offline=True)
    done = world.run_argv([sys.executable, "-W", "always", "-c", BROKEN, *FOX, "--json"])
    messages = [line["message"] for line in events(done)]
    assert done.code == 70
    assert names(done) == ["message"] * (len(messages) - 1) + ["error"]
    assert any(message.endswith("UserWarning: careful") for message in messages)
    assert "ZeroDivisionError: division by zero" in messages
    assert messages[-2:] == ["half a line", "a defect of this program: RuntimeError"]


@pytest.mark.real
def test_run_with_closed_stderr_still_writes_the_picture(lab):
    world = lab(script=DrawsSmall())
    done = world.run_argv(["sh", "-c", 'exec "$@" 2>&-', "sh", *world.argv(*FOX)])
    assert (done.code, done.err, done.text) == (0, "", f"{world.work / 'fox.png'}\n")


def test_events_of_help_and_version_are_one_done():
    for argument in ("-h", "--help", "--version"):
        assert names(call("--events", argument)) == ["done"]


def test_events_of_recover_name_written_and_failed_sessions(lab):
    world = lab(offline=True)
    threads = [
        history.thread_of(world.history.rollout(history.generated_image(encoded(20, number)))) for number in range(2)
    ]
    done = world.run("recover", *threads, "--out-dir", "back", "--events")
    assert names(done) == ["written", "written", "done"]
    written = [(line["index"], line["thread_id"], line["path"]) for line in events(done)[:2]]
    assert written == [(n, thread, str(world.work / f"back/{thread}.png")) for n, thread in enumerate(threads)]
    missing = threads[0][:-4] + "ffff"
    done = world.call("recover", missing, threads[1], "--out-dir", "again", "--events", "--json")
    assert names(done) == ["failed", "written", "error"]
    assert [events(done)[0]["error"]] == [failure["error"] for failure in done.json["failures"]]
    assert events(done)[-1]["error"] == done.json["error"]


@pytest.mark.real
def test_events_of_the_demo_name_each_step(lab):
    done = lab(builds.OLDEST).run("demo", "--events", "--out", "hills.png")
    assert names(done) == ["message", *STEPS, "done"]
    assert events(done)[0]["message"].startswith("demo: the real Codex")
