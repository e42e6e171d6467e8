"""The command group, and the boundary: every error becomes a sentence, one JSON object and an exit code."""

from __future__ import annotations

import json

import pytest

from codex_imagegen.cli import main
from tests.support import terminal
from tests.support.in_process import call
from tests.support.lab import COMMAND


def test_command_that_fails_to_import_is_an_internal_error(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(main.COMMANDS, "demo", ("codex_imagegen.cli.nowhere", "what a broken installation looks like"))
    assert main.run(["demo", "--json"]) == 70
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["code"] == "internal"
    assert printed.err.startswith("codex-imagegen: a defect of this program: ModuleNotFoundError")
    assert "Traceback" not in printed.err


def test_default_command_is_called_by_its_name_too():
    assert call("--count", "0", "-p", "x").err == call("generate", "--count", "0", "-p", "x").err
    assert call("--help").text == call("generate", "--help").text


def test_mistyped_option_is_answered_with_the_closest():
    assert "--prompt" in call("--promt", "x").err
    assert "--out-dir" in call("batch", "--out-dri", "x").err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("--nonsense --json", True),
        ("--prompt --json", False),
        ("--prompt x --json", True),
        ("--prompt=x --json", True),
        ("-p --json", False),
        ("-qp --json", False),
        ("-pq --json", True),
        ("-- --json", False),
        ("--prompt -- --json", True),
        ("--quiet=5 --json", True),
        ("--json --out", True),
        ("runcomfy --nonsense --json", True),
        ("runcomfy wait x --out --json", False),
    ],
)
def test_json_is_found_among_wrong_arguments_and_not_in_values(words, found):
    assert bool(call(*words.split(), "--timeout-sec", "x").out) == found


@pytest.mark.parametrize("environment", [{}, {"TERM": "dumb"}, {"NO_COLOR": "1"}])
def test_error_on_a_terminal_is_wrapped_with_its_commands_alone(lab, environment):
    world = lab(offline=True)
    env = {**world.environment, "TERM": "xterm-256color", "PATH": "/nowhere", **environment}
    session = terminal.run(terminal.SILENT, [COMMAND, "-p", "a fox"], env=env, columns=40, cwd=world.work)
    assert (session.code, session.shown.decode()) == (
        3,
        "codex-imagegen: no Codex CLI was found:\n"
        "no 'codex' is on PATH.\n"
        "hint: install the Codex CLI, and log in:\n"
        "  npm install -g @openai/codex\n"
        "  codex login\n"
        "or try the program without it:\n"
        "  codex-imagegen demo\n",
    )
