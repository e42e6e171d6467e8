"""The command itself: without its extra, on a terminal, and what it imports."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from tests.cli.test_startup import loaded
from tests.support.lab import COMMAND

WITHOUT = """
import sys
sys.modules[{name!r}] = None  # as where it is not installed
sys.argv = ["codex-imagegen", *{arguments!r}]
from codex_imagegen.__main__ import main
main()
"""


@pytest.mark.parametrize("name", ["mcp", "mcp_types", "anyio"])
def test_without_the_extra_one_sentence_says_what_to_install(lab, name):
    world = lab()
    done = world.run_argv([sys.executable, "-c", WITHOUT.format(name=name, arguments=["mcp"])])
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert "pip install 'codex-imagegen[mcp]'" in done.err


@pytest.mark.parametrize("arguments", [["--help"], ["mcp", "--help"], ["recover", "--list"]])
def test_everything_else_needs_no_extra(lab, arguments):
    done = lab().run_argv([sys.executable, "-c", WITHOUT.format(name="mcp", arguments=arguments)])
    assert (done.code, done.err) == (0, "")


def test_its_help_loads_no_sdk(lab):
    modules, done = loaded(lab(), "mcp", "--help")
    assert done.code == 0
    assert modules & {"mcp", "mcp_types", "anyio", "pydantic", "starlette"} == set()


def test_a_person_at_a_terminal_is_told_what_it_is(lab):
    world = lab()
    above, below = pty.openpty()
    server = subprocess.Popen(
        [COMMAND, "mcp"], stdin=below, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=world.work,
        env=world.environment,
    )  # fmt: skip
    os.close(below)
    assert server.stderr
    assert b"docs/mcp.md" in server.stderr.readline()
    server.send_signal(signal.SIGINT)
    out, err = server.communicate(timeout=30)
    os.close(above)
    assert (server.returncode, out) == (130, b"")
    assert err.decode().startswith("codex-imagegen: interrupted")


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_it_needs_both_streams(lab, closed):
    world = lab()
    done = world.run_argv(["sh", "-c", f"{COMMAND} mcp {closed}"])
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert "stdin and stdout" in done.err
