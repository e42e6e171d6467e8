"""``codex-imagegen doctor`` as it is installed, with a Codex in good health."""

from __future__ import annotations

import re

import pytest

from tests.doctor.surgery import CHECK_KEYS, KEYS, NAMES, examine, tree, without_codex
from tests.support import builds, checks
from tests.support.account import Account
from tests.support.lab import COMMAND
from tests.support.screen import printed

pytestmark = pytest.mark.real
SOME = pytest.mark.parametrize(
    "version", [builds.OLDEST, *(pytest.param(v, marks=pytest.mark.every_build) for v in builds.BUILDS[1:-1]),
                builds.NEWEST],
)  # fmt: skip


@SOME
def test_all_is_well(lab, version):
    world = lab(version, script=Account(pictures=20))
    found = examine(world)
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


@pytest.mark.parametrize("version", [builds.OLDEST, builds.NEWEST])
def test_no_file_of_ours_is_left_in_the_home(lab, version):
    world = lab(version, script=Account())
    (world.home / "sessions").mkdir()
    examine(world)
    assert list((world.home / "sessions").iterdir()) == []
    assert [path for path in tree(world.home) if "imagegen-doctor" in path] == []
    assert (world.home / "auth.json").stat().st_mode & 0o777 == 0o600


def test_nothing_is_told_that_is_nobodys_business(lab):
    world = lab(script=Account())
    found = examine(world)
    text = world.run("doctor").text
    for secret in ("nobody@example.com", "made-up", "eyJ", str(world.home)):
        assert secret not in found.done.text + text


def test_the_lines_of_a_pipe(lab):
    world = lab(script=Account())
    done = world.run("doctor")
    lines = done.text.splitlines()
    assert (done.code, done.err) == (0, "")
    assert [line.split()[1] for line in lines[:-1]] == NAMES
    assert len({len(line) - len(line[6:].lstrip().split(" ", 1)[1].lstrip()) for line in lines[:-1]}) == 1  # aligned
    assert lines[-1] == "11 checks: all well"
    assert "\x1b" not in done.text


@pytest.mark.parametrize("wrong", [["--nonsense"], ["extra"], ["--codex"]])
def test_wrong_arguments_are_the_ordinary_envelope(lab, wrong):
    done = lab().run_argv([COMMAND, "doctor", "--json", *wrong])
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert list(done.json) == checks.KEYS


def test_without_a_codex_every_key_is_there(lab):
    found = examine(lab(), codex="", env=without_codex(lab()))
    assert list(found.json) == KEYS
    assert [list(check) for check in found.json["checks"]] == [CHECK_KEYS] * len(NAMES)
    assert found.checks["limits"]["data"] == {"limits": None, "pictures_last_day": None}
    assert found.json["versions"]["codex"] is None


def test_help_says_what_is_read(lab):
    text = " ".join(lab().run_argv([COMMAND, "doctor", "--help"]).text.split())
    for words in (
        "names, sizes and times in CODEX_HOME",
        "not its content",
        "of config.toml the provider",
        "keeps its credentials to itself",
        "app-server",
    ):
        assert words in text


# On a terminal


def on_terminal(world, columns, **environment):
    """What a terminal of so many columns is given, and the exit code."""
    env = {**world.environment, "TERM": "xterm-256color", "COLUMNS": str(columns), **environment}
    shown, code = printed(world.argv("doctor"), cwd=world.work, env=env)
    return shown.replace("\r\n", "\n"), code


@pytest.mark.parametrize("columns", [80, 40, 20])
def test_a_terminal_has_marks_in_words_and_no_line_too_long(lab, columns):
    world = lab(script=Account())
    world.write_home(plan="free")
    shown, code = on_terminal(world, columns, NO_COLOR="1")
    assert "\x1b[3" not in shown.replace("\x1b[3m", "")  # no colour; italics are none
    report = re.sub(r"\x1b\[[\d;]*m", "", shown[: shown.index("11 checks: ")])
    assert code == 7
    assert max(map(len, report.splitlines())) <= columns
    assert "FAIL" in report
    assert "--backend runcomfy" in " ".join(report.split())
    assert "…" not in report  # nothing is cut off


def test_colour_where_it_is_wanted_alone(lab):
    world = lab(script=Account())
    assert "\x1b[32mok" in on_terminal(world, 80)[0]
    assert "\x1b" not in on_terminal(world, 80, TERM="dumb")[0]


@pytest.mark.parametrize("columns", [80, 40])
def test_letters_that_the_terminal_has_not(lab, tmp_path, columns):
    world = lab(script=Account())
    (tmp_path / "Ümläut").mkdir()
    shown, code = on_terminal(world, columns, PYTHONIOENCODING="ascii", CODEX_HOME=str(tmp_path / "Ümläut"))
    assert code == 5  # nobody is logged in there
    assert "ml?ut" in shown
    assert shown.count("ok") >= 6
