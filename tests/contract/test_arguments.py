"""Wrong arguments, of every command: exit code 2, one sentence on stderr, and with ``--json`` one object on stdout."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.contract import golden
from tests.support.lab import COMMAND
from tests.support.outcome import Outcome

COMMANDS = pytest.mark.parametrize("words", [(), *golden.commands()], ids=lambda words: "-".join(words) or "none")


def run(*argv: str) -> Outcome:
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "CODEX_HOME")}
    done = subprocess.run(argv, capture_output=True, env=environment, stdin=subprocess.DEVNULL, timeout=60, check=False)
    return Outcome(done.returncode, done.stdout, done.stderr.decode(), 0.0)


def assert_refused(done: Outcome) -> None:
    assert done.code == 2, done
    assert done.err.startswith("codex-imagegen: ")
    assert done.err.count("\n") == 1


@COMMANDS
def test_an_option_that_there_is_not(words):
    done = run(COMMAND, *words, "--nonsense")
    assert_refused(done)
    assert done.out == b""


@COMMANDS
@pytest.mark.parametrize(
    "arguments", [["--nonsense", "--json"], ["--json", "--out"], ["one", "two", "--json", "--nonsense"]]
)
def test_with_json(words, arguments):
    done = run(COMMAND, *words, *arguments)
    assert_refused(done)
    error = done.json["error"]
    assert (done.json["ok"], error["code"], error["exit_code"], error["spent"]) == (False, "usage", 2, False)
    assert error["hint"]


def test_too_many_references_are_wrong_arguments_even_where_there_is_no_codex():
    done = run(COMMAND, "-p", "x", *["--ref", "nowhere.png"] * 6, "--codex", "/nowhere/codex")
    assert_refused(done)
    assert "at most 5" in done.err


def test_the_help_that_is_named_is_the_command_s_own():
    assert "(see codex-imagegen runcomfy status --help)" in run(COMMAND, "runcomfy", "status").err
    assert "(see codex-imagegen batch --help)" in run(COMMAND, "batch").err
    assert "(see codex-imagegen --help)" in run(COMMAND, "--nonsense").err


def test_a_command_that_there_is_not():
    done = run(COMMAND, "genrate", "--json")
    assert_refused(done)
    assert done.json["error"]["code"] == "usage"


def test_a_module_and_the_name_of_the_default_command_are_the_same_program():
    programs = ([sys.executable, "-m", "codex_imagegen"], [COMMAND], [COMMAND, "generate"])
    done, same, named = (run(*program, "--json", "--count", "0", "-p", "x") for program in programs)
    assert_refused(done)
    assert done.json["error"] == same.json["error"] == named.json["error"]
    assert done.err == same.err == named.err


def test_windows_is_refused_in_one_clear_sentence(monkeypatch, capsys):
    from codex_imagegen.cli import main

    monkeypatch.setattr(sys, "platform", "win32")
    code = main.run(["--prompt", "x", "--json"])
    out, err = capsys.readouterr()
    done = Outcome(code, out.encode(), err, 0.0)
    assert_refused(done)
    assert "WSL" in done.err
    assert done.json["error"]["code"] == "usage"
