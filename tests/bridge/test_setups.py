"""Set-ups that people have: a large home at its first start, no file events, other installations, blocked signals."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codex_imagegen.codex import lean, native
from codex_imagegen.demo.standin import tools
from tests.support import builds, checks
from tests.support.checks import ENDS, Small, assert_failed, assert_told, made, until
from tests.support.lab import COMMAND, Outcome
from tests.tools.bench import calls, growth

pytestmark = pytest.mark.real
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]
ROLLOUTS = 6000
INDEXED = [
    pytest.param("0.138.0", marks=pytest.mark.every_build),
    pytest.param("0.152.1", marks=pytest.mark.every_build),
    builds.NEWEST,
]
"""Builds that index a home at their first start there."""


# A large home


def lease(world):
    """How Codex's index of its sessions stands, in its own database; None where there is none yet."""
    for path in world.home.glob("state_*.sqlite"):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as database:
            return database.execute("select status from backfill_state").fetchone()[0]
    return None


def forget_index(world):
    for path in world.home.glob("state_*.sqlite*"):
        path.unlink()


def started_while_it_indexes(world):
    run = world.start(*FOX)
    until(lambda: lease(world) == "running" or run.poll() is not None, "the index")
    return run


@pytest.mark.parametrize("version", INDEXED)
def test_a_run_that_is_stopped_while_codex_indexes_leaves_no_lease(lab, version):
    """One that is killed then has every later Codex of the home wait for 30 s."""
    world = lab(version, script=Small(), fresh=True)
    growth.fill(world.home, ROLLOUTS)
    for signum, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        forget_index(world)
        run = started_while_it_indexes(world)
        run.send_signal(signum)
        out, err = run.communicate(timeout=60)
        answer = assert_told(Outcome(run.returncode, out, err.decode(), 0), code, "interrupted")
        assert answer["error"]["spent"] is False
        assert world.leftovers == []  # its folder is gone, whether Codex is at work or not
        assert checks.processes(world) == []
        assert lease(world) == "complete"
    assert world.model_calls == 0
    forget_index(world)
    done = world.run(*FOX, "--timeout-sec", "0.8")
    assert_told(done, 5, "timeout")
    assert checks.processes(world) == []
    assert (lease(world), world.model_calls) == ("complete", 0)
    done = world.run(*FOX, "--timeout-sec", "20")
    assert done.code == 0, done


def test_progress_says_that_codex_indexes(lab, tmp_path):
    world = lab(script=Small())
    slow = tmp_path / "package" / "bin" / "codex"
    slow.parent.mkdir(parents=True)
    slow.write_text(f'#!/bin/sh\nsleep 3\nexec {native.binary(str(builds.codex(builds.NEWEST)))} "$@"\n')
    slow.chmod(0o755)
    (tmp_path / "package" / "codex-package.json").write_text(json.dumps({"version": builds.NEWEST}))
    done = world.run_argv([COMMAND, *FOX, "--codex", str(slow), "--timeout-sec", "2.5"])
    assert "Codex was still indexing the sessions of its home" in done.json["error"]["message"]
    done = world.run_argv([COMMAND, *FOX, "--events", "--codex", str(slow)])
    assert done.code == 0, done
    assert "Codex indexes the sessions of its home, once" in [event["message"] for event in done.events]


def test_a_run_that_is_killed_before_codex_reads_its_prompt_costs_nothing(lab):
    """The prompt is in no pipe yet."""
    world = lab(script=Small(), fresh=True)
    growth.fill(world.home, ROLLOUTS)
    run = started_while_it_indexes(world)
    run.kill()
    run.communicate(timeout=60)
    until(lambda: not checks.processes(world, wait=False), "the Codex that was left behind")
    assert (lease(world), world.model_calls) == ("complete", 0)


# No file events


RUNS = 12


@pytest.mark.parametrize(("draw_sec", "at_once"), [(0.0, 1), (0.5, 2)])
@ENDS
def test_without_file_events_one_model_call_is_enough(lab, version, draw_sec, at_once):
    """On a machine with nothing else to do it is one for each (``python -m tests.tools.bench --only calls``); with a
    tick of 0.2 s it was two in 11 of 12. Two at once are two runs in one process.
    """
    script = Small()
    script.draw_sec = draw_sec
    world = lab(version, script=script)
    with calls.without_file_events() as blind:
        for number in range(RUNS // at_once):
            done = world.run("--prompt", "a red fox", "--out", f"{number}.png", "-n", str(at_once), env=blind)
            assert done.code == 0, done
    assert RUNS <= world.model_calls <= RUNS + 3


# Other installations


def standalone(version, folder, *, package=True):
    """The build as its installer and its archives lay it out."""
    home = Path(native.binary(str(builds.codex(version)))).parent.parent
    (folder / "bin").mkdir(parents=True)
    for path in (home / "bin").iterdir():
        shutil.copy2(path, folder / "bin" / path.name)
    if package:
        shutil.copy(home / "codex-package.json", folder)
    return str(folder / "bin" / "codex")


@pytest.mark.parametrize(
    ("version", "package"),
    [pytest.param("0.145.0", True, marks=pytest.mark.every_build), (builds.NEWEST, True), (builds.NEWEST, False)],
)
def test_the_turn_is_as_lean_as_with_npm(lab, tmp_path, version, package):
    """Where nothing tells the version, too: the switches are tried. (0.145.0 would refuse one of them.)"""
    world = lab(version, script=Small())
    codex = standalone(version, tmp_path / "standalone", package=package)
    assert (native.version(codex) is not None) is package
    assert world.run_argv([COMMAND, *FOX, "--codex", codex]).code == 0
    other = world.standin.to("/responses")[0]
    world.standin.calls.clear()
    assert world.run("--prompt", "a red fox", "--out", "npm.png").code == 0
    npm = world.standin.to("/responses")[0]
    assert len(other.body) <= 1.05 * len(npm.body)
    assert [tool for _space, tool in tools(other.json)] == [tool for _space, tool in tools(npm.json)]


@pytest.mark.parametrize("version", ["0.111.0", pytest.param("0.141.0", marks=pytest.mark.every_build)])
def test_a_build_of_unknown_version_that_refuses_a_switch_is_started_once_more(lab, tmp_path, version):
    world = lab(version, script=Small())
    codex = tmp_path / "codex"
    codex.write_text(f'#!/bin/sh\nexec {builds.codex(version)} "$@"\n')
    codex.chmod(0o755)
    assert native.version(native.binary(str(codex))) is None
    done = world.run_argv([COMMAND, *FOX, "--codex", str(codex)])
    assert done.code == 0, done
    assert (world.work / "fox.png").read_bytes() == made("a red fox")
    assert world.model_calls == 1
    checks.assert_clean(world)


def test_what_fails_with_and_without_the_switches_is_told_once(lab, tmp_path):
    world = lab(extra_config="broken = [")
    codex = standalone(builds.NEWEST, tmp_path / "standalone", package=False)
    done = world.run_argv([COMMAND, *FOX, "--codex", codex])
    answer = assert_failed(world, done, 5, "codex-failed")
    assert "config.toml" in answer["error"]["message"]


def test_a_build_made_from_source_gets_every_switch(tmp_path):
    (tmp_path / "codex-package.json").write_text('{"version": "0.0.0"}')
    assert native.version(str(tmp_path / "bin" / "codex")) is None


def test_a_newer_build_gets_every_switch():
    assert {setting for setting, _first in lean.TAKEN_FROM} <= set(lean.settings(version=(0, 171, 0)))


# Signals


def test_a_caller_that_blocks_signals_makes_codex_deaf_to_none(lab):
    world = lab(script=Small())
    blocking = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM});"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    done = world.run_argv([sys.executable, "-c", blocking, *world.argv(*FOX)])
    assert done.code == 0, done
    assert world.model_calls == 1
    assert "turn_aborted" in world.rollouts()[0].read_text()


def test_an_on_event_that_raises_at_the_start_leaves_no_codex_behind(lab):
    world = lab(script=Small())
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


def test_a_stdout_that_takes_nothing_is_told(lab):
    """Whoever reads it would take a missing answer for a picture that was not made."""
    world = lab(script=Small())
    with open("/dev/full", "wb") as full:
        for words in (FOX, ["--prompt", "a red fox", "--out", "other.png"]):
            run = subprocess.run(
                world.argv(*words), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, cwd=world.work,
                env=world.environment, check=False, timeout=60,
            )  # fmt: skip
            assert run.returncode == 73
            assert run.stderr.decode().startswith("codex-imagegen: stdout can't be written: No space left on device.")
    assert (world.work / "fox.png").read_bytes() == made("a red fox")


@pytest.mark.parametrize("page", ["--help", "--version"])
def test_help_that_nobody_can_read_is_told(lab, page):
    world = lab()
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [COMMAND, page], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, cwd=world.work,
            env=world.environment, check=False, timeout=60,
        )  # fmt: skip
    assert run.returncode == 73
    assert b"stdout can't be written" in run.stderr
    assert b"defect" not in run.stderr


def test_a_codex_that_swallows_its_stdout_may_have_spent(lab):
    """Its thread is not known by then, and its prompt was sent."""

    class Thinks(Small):
        def respond(self, call):
            time.sleep(20)
            return super().respond(call)

    world = lab(script=Thinks())
    codex = world.tmp / "codex"
    codex.write_text(f'#!/bin/sh\nexec {native.binary(str(builds.codex(builds.NEWEST)))} "$@" > "{world.tmp}/out"\n')
    codex.chmod(0o755)
    run = subprocess.Popen(
        [COMMAND, *FOX, "--codex", str(codex)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, cwd=world.work, env=world.environment,
    )  # fmt: skip
    until(lambda: world.model_calls, "the model's turn")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    answer = assert_told(Outcome(run.returncode, out, err.decode(), 0), 130, "interrupted")
    assert answer["error"]["spent"] is None


def test_a_prompt_among_codexs_arguments_is_refused(lab):
    """Codex would draw it, also where it is ended before it has read ours."""
    world = lab(script=Small())
    done = world.run(*FOX, "--codex-arg", "a blue bird")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert world.standin.calls == []
