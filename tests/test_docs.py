"""The README tells the truth: its options are those of ``--help``, its codes the errors', and its commands exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest

from codex_imagegen import errors
from codex_imagegen.cli.main import COMMANDS
from codex_imagegen.model import Stage
from codex_imagegen.schemas.kinds import KINDS
from tests.contract import golden
from tests.support import promised
from tests.support.lab import COMMAND

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


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


def test_the_table_of_exit_codes_is_the_errors():
    here = [" ".join(pair) for row in exit_rows() for pair in row]
    assert sorted(here) == sorted(golden.exit_codes())


def exit_rows() -> list[list[tuple[str, str]]]:
    """(exit code, ``error.code``) of each row; several in a row are in the same order, or share the only one."""
    found = []
    for numbers, names in re.findall(r"^\| ([\d ·]+) \| ([^|]*) \|.*\|$", README, re.MULTILINE):
        codes, exits = re.findall(r"`([a-z-]+)`", names), re.findall(r"\d+", numbers)
        width = max(len(codes), len(exits))
        row = list(zip(exits * (width // len(exits)), codes * (width // len(codes)), strict=True)) if codes else []
        found.append(row)
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/json.md"])
def test_every_example_of_json_is_what_is_promised(page):
    examples = re.findall(r'^```json\n(\{"schema": .*?)^```', (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    assert len(examples) >= 2
    for example in examples:
        line = example.replace("\n", "")
        promised.event(line) if '"event"' in line else promised.read(line)


def test_every_event_and_every_schema_is_documented():
    page = (ROOT / "docs/json.md").read_text()
    assert {each for each in get_args(Stage) if f"`{each}`" not in page} == set()
    keys = {key for kind in KINDS for key in KINDS[kind].schema(kind)["properties"]}
    assert {key for key in keys if f"`{key}`" not in page and f'"{key}"' not in page} == set()


def test_every_picture_of_the_readme_is_there():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).is_file(), path


def test_nothing_is_left_to_fill_in():
    assert re.findall(r"^[A-Z]{5,}$", README, re.MULTILINE) == []
