"""The installed ``codex-imagegen doctor``, with a healthy Codex."""

from __future__ import annotations

import re

import pytest

from tests.doctor.runs import NAMES, run_doctor, scripted_codex, tree
from tests.support import builds, checks
from tests.support.account import Account
from tests.support.in_process import call
from tests.support.passive_terminal import run_on_terminal

pytestmark = pytest.mark.real
SECRETS = ("nobody@example.com", "made-up", "eyJ")
SOME = pytest.mark.parametrize(
    "version", [builds.OLDEST, *(pytest.param(v, marks=pytest.mark.every_build) for v in builds.BUILDS[1:-1]),
                builds.NEWEST],
)  # fmt: skip


@SOME
def test_doctor_with_healthy_codex_finds_no_problem(lab, version):
    world = lab(version, script=Account(pictures=20))
    (world.home / "sessions").mkdir()
    found = run_doctor(world)
    assert found.code == 0, found.json
    assert found.done.err == ""
    assert {name: found.status(name) for name in NAMES} == dict.fromkeys(NAMES, "ok")
    assert found.json["error"] is None
    assert found.checks["codex"]["data"]["version"] == found.json["versions"]["codex"] == version
    assert found.checks["login"]["data"] == {"login": "chatgpt", "plan": "plus"}
    limits = found.checks["limits"]["data"]["limits"]
    assert [(limit["name"], limit["used_percent"], limit["window_minutes"]) for limit in limits] == [
        ("codex", 42, 300), ("codex", 7, 10_080), ("Pictures", 20, 300),
    ]  # fmt: skip
    assert {limit["resets_at"] for limit in limits} == {world.standin.script.resets_at}
    assert world.model_calls == 0
    checks.assert_clean(world)
    assert list((world.home / "sessions").iterdir()) == []
    assert [path for path in tree(world.home) if "imagegen-doctor" in path] == []
    assert (world.home / "auth.json").stat().st_mode & 0o777 == 0o600
    for secret in SECRETS:
        assert secret not in found.done.text
    assert str(world.home) not in found.done.text


def test_doctor_on_a_pipe_prints_aligned_lines(lab):
    world = lab(script=Account())
    done = world.run("doctor")
    lines = done.text.splitlines()
    assert (done.code, done.err) == (0, "")
    assert [line.split()[1] for line in lines[:-1]] == NAMES
    assert len({len(line) - len(line[6:].lstrip().split(" ", 1)[1].lstrip()) for line in lines[:-1]}) == 1  # aligned
    assert lines[-1] == "11 checks: all ok"
    assert "\x1b" not in done.text
    assert [secret for secret in (*SECRETS, str(world.home)) if secret in done.text] == []


@pytest.mark.parametrize("wrong", [["--nonsense"], ["extra"], ["--codex"]])
def test_doctor_wrong_arguments_print_the_usual_object(wrong):
    done = call("doctor", "--json", *wrong)
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert list(done.json) == checks.KEYS


def test_doctor_help_says_what_is_read():
    text = " ".join(call("doctor", "--help").text.split())
    for words in (
        "names, sizes and times in CODEX_HOME",
        "not its content",
        "of config.toml the provider",
        "keeps its credentials to itself",
        "app-server",
    ):
        assert words in text


# On a terminal


def on_terminal(world, codex, columns, **environment):
    """The output on a terminal of that width, and the exit code."""
    env = {**world.environment, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    shown, code = run_on_terminal(world.argv("doctor", "--codex", codex), cwd=world.work, env=env)
    return shown.replace("\r\n", "\n"), code


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_doctor_on_a_terminal_wraps_lines_and_names_each_status(lab, columns):
    world = lab(offline=True)
    shown, code = on_terminal(world, scripted_codex(world, "API key configured - sk-x"), columns, NO_COLOR="1")
    assert "\x1b[3" not in shown.replace("\x1b[3m", "")  # no colour, only italics
    report = re.sub(r"\x1b\[[\d;]*m", "", shown[: shown.index("11 checks: ")])
    assert code == 7
    assert max(map(len, report.splitlines())) <= columns
    assert "FAIL" in report
    assert "--backend runcomfy" in " ".join(report.split())
    assert "…" not in report  # nothing is cut off


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_command_to_copy_is_alone_on_its_line_and_whole(lab, columns):
    world = lab(offline=True)
    codex = scripted_codex(world, "Not logged in")
    shown, code = on_terminal(world, codex, columns, NO_COLOR="1")
    lines = [line.strip() for line in re.sub(r"\x1b\[[\d;]*m", "", shown).splitlines()]
    assert code == 5
    assert lines.count("codex login") == 1  # the error below the report would only repeat it
    assert "-> log in with:" in " ".join(lines)
    assert lines[-1] == "11 checks: 1 failed, 1 unknown" or columns == 20


def test_doctor_uses_colour_on_capable_terminals_only(lab):
    world = lab(offline=True)
    codex = scripted_codex(world)
    assert "\x1b[32mok" in on_terminal(world, codex, 80)[0]
    assert "\x1b" not in on_terminal(world, codex, 80, TERM="dumb")[0]


@pytest.mark.parametrize("columns", [80, 40])
def test_doctor_on_an_ascii_terminal_replaces_other_letters(lab, tmp_path, columns):
    world = lab(offline=True)
    (tmp_path / "Ümläut").mkdir()
    codex = scripted_codex(world, "Not logged in")
    shown, code = on_terminal(world, codex, columns, PYTHONIOENCODING="ascii", CODEX_HOME=str(tmp_path / "Ümläut"))
    assert code == 5  # nobody is logged in there
    assert "ml?ut" in shown
    assert shown.count("ok") >= 6
