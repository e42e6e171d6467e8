"""Wrong arguments, of every command: exit code 2, one sentence on stderr, and with ``--json`` one object on stdout."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.contract import golden
from tests.support.in_process import call
from tests.support.lab import COMMAND
from tests.support.outcome import Outcome

COMMANDS = pytest.mark.parametrize("words", [(), *golden.commands()], ids=lambda words: "-".join(words) or "none")


def environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "CODEX_HOME")}


def run(*arguments: str) -> Outcome:
    return call(*arguments, environment=environment())


def run_program(*argv: str) -> Outcome:
    """Run a process."""
    done = subprocess.run(
        argv, capture_output=True, env=environment(), stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode(), 0.0)


def assert_refused(done: Outcome) -> None:
    assert done.code == 2, done
    assert done.err.startswith("codex-imagegen: ")
    assert done.err.count("\n") == 1


@COMMANDS
def test_unknown_option_is_refused_as_usage(words):
    done = run(*words, "--nonsense")
    assert_refused(done)
    assert done.out == b""


@COMMANDS
@pytest.mark.parametrize(
    "arguments", [["--nonsense", "--json"], ["--json", "--out"], ["one", "two", "--json", "--nonsense"]]
)
def test_wrong_arguments_with_json_print_one_object(words, arguments):
    done = run(*words, *arguments)
    assert_refused(done)
    error = done.json["error"]
    assert (done.json["ok"], error["code"], error["exit_code"], error["spent"]) == (False, "usage", 2, False)
    assert error["hint"]


def test_too_many_references_without_codex_are_refused_as_usage():
    done = run("-p", "x", *["--ref", "nowhere.png"] * 6, "--codex", "/nowhere/codex")
    assert_refused(done)
    assert "at most 5" in done.err


def test_usage_error_names_the_help_of_its_command():
    assert "(for help: codex-imagegen runcomfy status --help)" in run("runcomfy", "status").err
    assert "(for help: codex-imagegen batch --help)" in run("batch").err
    assert "(for help: codex-imagegen --help)" in run("--nonsense").err


def test_unknown_command_is_refused_as_usage():
    done = run("genrate", "--json")
    assert_refused(done)
    assert done.json["error"]["code"] == "usage"


def test_module_command_and_default_command_are_the_same_program():
    programs = ([sys.executable, "-m", "codex_imagegen"], [COMMAND], [COMMAND, "generate"])
    done, same, named = (run_program(*program, "--json", "--count", "0", "-p", "x") for program in programs)
    assert_refused(done)
    assert done.json["error"] == same.json["error"] == named.json["error"]
    assert done.err == same.err == named.err


def test_windows_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    done = run("--prompt", "x", "--json")
    assert_refused(done)
    assert "WSL" in done.err
    assert done.json["error"]["code"] == "usage"
