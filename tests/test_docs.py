"""The README tells the truth: its options are those of ``--help``, its codes the errors', and its commands exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from codex_imagegen import errors
from codex_imagegen.cli.main import COMMANDS
from tests.support.lab import COMMAND

README = (Path(__file__).parent.parent / "README.md").read_text()


def help_of(*command: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]}
    done = subprocess.run([COMMAND, *command, "--help"], capture_output=True, text=True, check=True, env=environment)
    return done.stdout


def block(name: str) -> str:
    """The fenced block that follows a marker."""
    found = re.search(rf"<!-- {name} -->\n```\w*\n(.*?)```", README, re.DOTALL)
    assert found, name
    return found[1]


def test_the_options_are_those_of_the_help():
    page = help_of()
    options = page[page.index("Options:") : page.index("Other commands")]
    assert block("options").strip() == options.strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_and_has_help(name):
    assert f"`{name}`" in README
    assert "Usage: codex-imagegen" in help_of(name)


def test_every_error_code_is_in_the_table():
    codes = {error.code for error in vars(errors).values() if isinstance(error, type) and "code" in vars(error)}
    assert {code for code in codes if f"`{code}`" not in README} == set()


def test_every_picture_of_the_readme_is_there():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (Path(__file__).parent.parent / path).is_file(), path


def test_nothing_is_left_to_fill_in():
    assert re.findall(r"^[A-Z]{5,}$", README, re.MULTILINE) == []
