"""Short queries of a Codex: bounded in time and size, with no process left behind."""

from __future__ import annotations

import os
import time

import pytest

from codex_imagegen.codex.install import version
from codex_imagegen.codex.install.version import MAX_ANSWER_BYTES, run_query
from codex_imagegen.errors import CodexMissing
from tests.support import builds

ENVIRONMENT = {"PATH": os.environ["PATH"]}


@pytest.fixture
def script(tmp_path):
    """Make an executable of these shell lines."""

    def make(*lines):
        path = tmp_path / "codex"
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o755)
        return str(path)

    return make


def query(codex, *arguments, seconds=20.0):
    return run_query(codex, *arguments, environment=ENVIRONMENT, timeout_sec=seconds)


def test_query_returns_output_and_exit_code(script):
    answer = query(script('echo "out $1 $2"', "echo err >&2", "exit 3"), "login", "status")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (3, "out login status\n", "err\n")


def test_query_runs_with_empty_stdin_outside_of_projects(script):
    assert query(script("cat", "pwd")).stdout == "/\n"


def test_query_that_hangs_is_stopped_with_its_children(script):
    codex = script("trap '' INT TERM", "sleep 1000 & echo $!", "wait", "wait", "wait")
    answer = query(codex, seconds=0.5)
    assert answer.exit_code is None
    with pytest.raises(ProcessLookupError):
        await_gone(int(answer.stdout))


def await_gone(pid):
    for _ in range(1000):
        os.kill(pid, 0)
        time.sleep(0.01)


def test_query_keeps_the_beginning_of_long_output(script):
    answer = query(script("head -c 3000000 /dev/zero | tr '\\0' x"))
    assert answer.stdout == "x" * MAX_ANSWER_BYTES


def test_query_accepts_output_that_is_not_text(script):
    assert "�" in query(script(r"printf '\377\376'")).stdout


def test_query_of_what_cannot_be_started_is_none(tmp_path):
    broken = tmp_path / "codex"
    broken.write_bytes(b"\x7fELF and nothing else")
    broken.chmod(0o755)
    with pytest.raises(CodexMissing):
        query(str(broken))


@pytest.mark.real
@pytest.mark.parametrize(
    "known", [pytest.param(builds.TOO_OLD, marks=pytest.mark.every_build), builds.OLDEST, builds.NEWEST]
)
def test_version_of_the_real_builds_is_read(known, tmp_path):
    environment = {**ENVIRONMENT, "HOME": str(tmp_path), "CODEX_HOME": str(tmp_path)}
    assert version.read_version(str(builds.codex(known)), environment, 20) == known


@pytest.mark.parametrize("output", ["", "codex-cli", "1.2", "99999.1.1x"])
def test_version_of_other_output_is_none(output):
    assert version.find_version(output) is None


def test_version_recognizes_too_old_and_untested_builds():
    assert (version.OLDEST, version.NEWEST) == (builds.OLDEST, builds.NEWEST)
    assert version.is_too_old("0.98.7")
    assert not version.is_too_old("0.111.0")
    assert not version.is_newer_than_tested("0.169.9")
    assert version.is_newer_than_tested("0.170.0")
    assert version.is_newer_than_tested("1.0.0")
