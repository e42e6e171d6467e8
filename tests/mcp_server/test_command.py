"""The command: without its extra, on a terminal, and what it imports."""

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
sys.modules[{name!r}] = None  # as if it were not installed
sys.argv = ["codex-imagegen", *{arguments!r}]
from codex_imagegen.__main__ import main
main()
"""


@pytest.mark.parametrize(
    "name", ["mcp", *(pytest.param(name, marks=pytest.mark.every_build) for name in ("mcp_types", "anyio"))]
)
def test_server_without_its_extra_says_what_to_install(lab, name):
    world = lab(offline=True)
    done = world.run_argv([sys.executable, "-c", WITHOUT.format(name=name, arguments=["mcp"])])
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert "pip install 'codex-imagegen[mcp]'" in done.err


@pytest.mark.parametrize("arguments", [["--help"], ["mcp", "--help"], ["recover", "--list"]])
def test_other_commands_need_no_extra(lab, arguments):
    done = lab(offline=True).run_argv([sys.executable, "-c", WITHOUT.format(name="mcp", arguments=arguments)])
    assert (done.code, done.err) == (0, "")


def test_help_of_the_server_imports_no_sdk(lab):
    modules, done = loaded(lab(offline=True), "mcp", "--help")
    assert done.code == 0
    assert modules & {"mcp", "mcp_types", "anyio", "pydantic", "starlette"} == set()


def test_server_on_a_terminal_says_what_it_is(lab):
    world = lab(offline=True)
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
    assert err.decode() == "codex-imagegen: interrupted.\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_server_with_a_closed_stream_is_a_usage_error(lab, closed):
    world = lab(offline=True)
    done = world.run_argv(["sh", "-c", f"{COMMAND} mcp {closed}"])
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert "stdin and stdout" in done.err
