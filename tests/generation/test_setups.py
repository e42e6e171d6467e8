"""Unusual set-ups: a large home at its first start, no file events, other installations, blocked signals."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from codex_imagegen.codex import features
from codex_imagegen.codex.install import npm as native
from codex_imagegen.codex.run import run as turn
from codex_imagegen.demo.fake_openai import offered_tools
from tests.support import builds, checks, in_process, patched_command, scripts
from tests.support.checks import ENDS, DrawsSmall, assert_failed, assert_reported, small_png, wait_until
from tests.support.faulty_run import FaultyRun
from tests.support.lab import COMMAND, Outcome
from tests.tools.bench import calls, growth

pytestmark = pytest.mark.real
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]
ROLLOUTS = 1500


# A large home


def index_status(world):
    """How Codex's index of its sessions stands, in its own database; None where there is none yet."""
    for path in world.home.glob("state_*.sqlite"):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as database:
            return database.execute("select status from backfill_state").fetchone()[0]
    return None


def suspended_while_it_indexes(world, mark):
    """A run whose Codex was suspended while it indexes the home, and the process groups by which to continue it.

    The index takes a tenth of a second; a Codex that was faster than the test is given another fresh database.
    """
    for _ in range(20):
        for path in world.home.glob("state_*.sqlite*"):
            path.unlink()
        run = subprocess.Popen(
            [*patched_command.argv(time_is_up=mark), *world.argv(*FOX, "--timeout-sec", "3600")[1:]], cwd=world.work,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=world.environment,
            process_group=0,
        )  # fmt: skip
        wait_until(lambda: FaultyRun(world).groups() - {run.pid}, "Codex to start")  # noqa: B023 - called at once
        groups = FaultyRun(world).groups() - {run.pid}
        while index_status(world) not in {"running", "complete"} and run.poll() is None:
            time.sleep(0.001)
        signal_all(groups, signal.SIGSTOP)
        if index_status(world) == "running":
            return run, groups
        run.kill()
        run.communicate(timeout=60)
        signal_all(groups, signal.SIGKILL)
        wait_until(lambda: not checks.processes(world, wait=False), "the Codex that was too fast to end")
        for name in world.leftovers:  # of the run that was just killed
            shutil.rmtree(world.tmp / name)
    pytest.fail("Codex was never seen while it indexed")


def signal_all(groups, signum):
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signum)


@pytest.mark.parametrize(
    ("version", "ways"),
    [
        (builds.NEWEST, ("SIGINT", "time", "SIGKILL")),
        *(pytest.param(one, ("SIGTERM",), marks=pytest.mark.every_build) for one in ("0.138.0", "0.152.1")),
    ],
)
def test_run_stopped_while_codex_indexes_lets_the_index_complete(lab, tmp_path, version, ways):
    """A Codex that is killed meanwhile would have every later one of the home wait for 30 s."""
    world = lab(version, script=DrawsSmall(), fresh=True)
    growth.fill(world.home, ROLLOUTS)
    for how in ways:
        stop_while_it_indexes(world, tmp_path / f"time-is-up-{how}", how)
        wait_until(lambda: not checks.processes(world, wait=False), "the Codex that was left behind to end")
        assert (index_status(world), world.model_calls) == ("complete", 0)
    done = world.call(*FOX)
    assert done.code == 0, done


def stop_while_it_indexes(world, mark, how):
    run, groups = suspended_while_it_indexes(world, mark)
    if how == "SIGKILL":  # a suspended Codex whose parent has gone would be sent SIGHUP by the kernel
        signal_all(groups, signal.SIGCONT)
        run.kill()
        run.communicate(timeout=60)
        return
    mark.touch() if how == "time" else run.send_signal(signal.Signals[how])
    signal_all(groups, signal.SIGCONT)
    out, err = run.communicate(timeout=60)
    code, name = {"SIGINT": (130, "interrupted"), "SIGTERM": (143, "interrupted"), "time": (5, "timeout")}[how]
    answer = assert_reported(Outcome(run.returncode, out, err.decode(), 0), code, name)
    assert answer["error"]["spent"] is False
    assert world.leftovers == []  # its folder is gone, whether Codex is at work or not


def test_codex_that_indexes_is_named_in_progress_and_in_the_timeout(lab, tmp_path):
    """A Codex that does not read its prompt until the test lets it, which is once the run reports the indexing."""
    world = lab(script=DrawsSmall())
    slow, mark, goes_on = tmp_path / "package" / "bin" / "codex", tmp_path / "time-is-up", tmp_path / "goes-on"
    slow.parent.mkdir(parents=True)
    wait = f'while [ ! -e "{goes_on}" ]; do sleep 0.05; done'
    slow.write_text(f'#!/bin/sh\n{wait}\nexec {native.find_binary(str(builds.codex(builds.NEWEST)))} "$@"\n')
    slow.chmod(0o755)
    (tmp_path / "package" / "codex-package.json").write_text(json.dumps({"version": builds.NEWEST}))
    assert turn.INDEXING_SEC == 2.0
    command = patched_command.argv({"codex_imagegen.codex.run.run.INDEXING_SEC": 0.1}, time_is_up=mark)
    for then, code in ((mark, 5), (goes_on, 0)):
        run = subprocess.Popen(
            [*command, *FOX, "--events", "--codex", str(slow)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
        )  # fmt: skip
        while b"Codex is indexing its sessions, which it does once" not in (line := run.stderr.readline()):
            assert line, "the run ended before"
        then.touch()
        out, _err = run.communicate(timeout=60)
        assert run.returncode == code
        mark.unlink(missing_ok=True)
        if code:
            assert "Codex was still indexing its sessions" in json.loads(out)["error"]["message"]
    assert json.loads(out)["ok"]


# No file events


@ENDS
def test_run_without_file_events_does_not_wait_for_a_closing_message(lab, version):
    """How often none is even requested is measured (``python -m tests.tools.bench --only calls``)."""
    script = scripts.NeverCloses()
    world = lab(version, script=script)
    with calls.without_file_events() as blind:
        done = world.run("--prompt", "a red fox", "--out", "fox.png", env=blind)
    assert done.code == 0, done
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    assert script.closed == 0


@pytest.mark.parametrize(
    ("is_following", "tool_called", "gets_file_events", "tick"),
    [
        (False, False, False, turn.TICK_SEC),
        (True, False, False, turn.FOLLOW_TICK_SEC),
        (True, True, True, turn.FOLLOW_TICK_SEC),
        (True, True, False, turn.NO_EVENTS_TICK_SEC),
    ],
)
def test_tick_is_shortest_once_the_tool_was_called_and_no_event_came(is_following, tool_called, gets_file_events, tick):
    follower = SimpleNamespace(
        is_following=is_following,
        evidence=SimpleNamespace(tool_called=tool_called),
        gets_file_events=gets_file_events,
    )
    assert turn._tick(follower) == tick
    assert turn.NO_EVENTS_TICK_SEC < turn.FOLLOW_TICK_SEC < turn.TICK_SEC


# Other installations


def call(world, *arguments):
    """The program in the test's own process, with a Codex that is named among the arguments."""
    return in_process.call(*arguments, environment=world.environment, folder=world.work)


def standalone(version, folder, *, package=True):
    """The build as its installer and its archives lay it out."""
    home = Path(native.find_binary(str(builds.codex(version)))).parent.parent
    (folder / "bin").mkdir(parents=True)
    for path in (home / "bin").iterdir():
        checks.link_or_copy(path, folder / "bin" / path.name)
    if package:
        shutil.copy(home / "codex-package.json", folder)
    return str(folder / "bin" / "codex")


@pytest.mark.parametrize(
    ("version", "packages"),
    [(builds.NEWEST, (True, False)), pytest.param("0.145.0", (True,), marks=pytest.mark.every_build)],
)
def test_standalone_installation_asks_for_as_little_as_npms(lab, tmp_path, version, packages):
    """Where nothing tells the version, too: the switches are tried. (0.145.0 would refuse one of them.)"""
    world = lab(version, script=DrawsSmall())
    assert world.call(*FOX).code == 0
    npm = world.standin.calls_to("/responses")[0]
    for package in packages:
        codex = standalone(version, tmp_path / f"standalone-{package}", package=package)
        assert (native.read_version(codex) is not None) is package
        world.standin.calls.clear()
        assert call(world, *FOX, "--force", "--codex", codex).code == 0
        other = world.standin.calls_to("/responses")[0]
        assert len(other.body) <= 1.05 * len(npm.body)
        assert [tool for _space, tool in offered_tools(other.json)] == [
            tool for _space, tool in offered_tools(npm.json)
        ]


@pytest.mark.parametrize("version", ["0.111.0", pytest.param("0.141.0", marks=pytest.mark.every_build)])
def test_unknown_build_that_refuses_a_switch_is_started_again_without(lab, tmp_path, version):
    world = lab(version, script=DrawsSmall())
    codex = tmp_path / "codex"
    codex.write_text(f'#!/bin/sh\nexec {builds.codex(version)} "$@"\n')
    codex.chmod(0o755)
    assert native.read_version(native.find_binary(str(codex))) is None
    done = call(world, *FOX, "--codex", str(codex))
    assert done.code == 0, done
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")
    assert world.model_calls == 1
    checks.assert_clean(world)


def test_error_with_and_without_switches_is_reported_once(lab, tmp_path):
    world = lab(extra_config="broken = [")
    codex = standalone(builds.NEWEST, tmp_path / "standalone", package=False)
    done = call(world, *FOX, "--codex", codex)
    answer = assert_failed(world, done, 5, "codex-failed")
    assert "config.toml" in answer["error"]["message"]


def test_unknown_build_that_fails_in_its_turn_is_not_started_again(lab, tmp_path):
    world = lab(script=scripts.UnknownModel())
    codex = standalone(builds.NEWEST, tmp_path / "standalone", package=False)
    assert native.read_version(native.find_binary(codex)) is None
    assert_failed(world, call(world, *FOX, "--codex", codex), 5, "codex-failed")
    assert len(world.rollouts()) == 1


def test_build_from_source_has_no_version(tmp_path):
    (tmp_path / "codex-package.json").write_text('{"version": "0.0.0"}')
    assert native.read_version(str(tmp_path / "bin" / "codex")) is None


def test_newer_build_gets_every_switch():
    assert {setting for setting, _first in features.ACCEPTED_SINCE} <= set(features.build_settings(version=(0, 171, 0)))


# Signals


def test_run_with_blocked_signals_starts_codex_with_none_blocked(lab):
    world = lab(script=DrawsSmall())
    blocking = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM});"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    FaultyRun(world).hold_second_turn()
    done = world.run_argv([sys.executable, "-c", blocking, *world.argv(*FOX)])
    assert done.code == 0, done
    assert "turn_aborted" in world.rollouts()[0].read_text()


def test_on_event_that_raises_at_the_start_leaves_no_codex(lab):
    world = lab(script=DrawsSmall())
    program = (
        "import sys, codex_imagegen\n"
        "def tell(event): raise LookupError(event.stage)\n"
        "try: codex_imagegen.generate('a red fox', out='fox.png', codex=sys.argv[1], on_event=tell)\n"
        "except LookupError as error: print(error)\n"
    )
    codex = str(builds.codex(builds.NEWEST))
    done = world.run_argv([sys.executable, "-c", program, codex])
    assert done.text == "started\n", done
    checks.assert_clean(world)
    assert world.model_calls == 0


# stdout


def test_full_stdout_fails_with_73(lab):
    """Whoever reads it would take a missing answer for a picture that was not made."""
    world = lab(script=DrawsSmall())
    with open("/dev/full", "wb") as full:
        for words in (FOX, ["--prompt", "a red fox", "--out", "other.png"]):
            run = subprocess.run(
                world.argv(*words), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, cwd=world.work,
                env=world.environment, check=False, timeout=60,
            )  # fmt: skip
            assert run.returncode == 73
            assert run.stderr.decode() == (
                "codex-imagegen: stdout can't be written: No space left on device."
                " (the pictures are on disk; free disk space for the output)\n"
            )
    assert (world.work / "fox.png").read_bytes() == small_png("a red fox")


@pytest.mark.parametrize("page", ["-h", "--help", "--version", "schema"])
def test_full_stdout_of_help_fails_with_73(lab, page):
    world = lab()
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [COMMAND, page], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, cwd=world.work,
            env=world.environment, check=False, timeout=60,
        )  # fmt: skip
    assert run.returncode == 73
    assert run.stderr.endswith(b"written: No space left on device. (free disk space for the output)\n")


def test_interrupted_run_of_a_codex_without_stdout_may_have_spent(lab):
    """Its thread is not known by then, and its prompt was sent."""

    class Thinks(DrawsSmall):
        def respond(self, call):
            time.sleep(60)
            return super().respond(call)

    world = lab(script=Thinks())
    codex = world.tmp / "codex"
    codex.write_text(
        f'#!/bin/sh\nexec {native.find_binary(str(builds.codex(builds.NEWEST)))} "$@" > "{world.tmp}/out"\n'
    )
    codex.chmod(0o755)
    run = subprocess.Popen(
        [COMMAND, *FOX, "--codex", str(codex)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip
    wait_until(lambda: world.model_calls, "the model's turn")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    answer = assert_reported(Outcome(run.returncode, out, err.decode(), 0), 130, "interrupted")
    assert answer["error"]["spent"] is None
