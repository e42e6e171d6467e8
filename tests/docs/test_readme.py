"""README.md agrees with the program: codes with the errors, and its commands exist."""

from __future__ import annotations

import os
import re
from typing import get_args

import pytest

from codex_imagegen import errors
from codex_imagegen.cli.main import COMMANDS
from codex_imagegen.request import Stage
from codex_imagegen.schemas import load_schemas
from tests.contract import golden
from tests.support import docs, json_output
from tests.support.in_process import call

README = docs.page("README.md")


def help_of(*command: str) -> str:
    done = call(*command, "--help", environment={"PATH": os.environ["PATH"], "HOME": os.environ["HOME"]})
    assert done.code == 0, done
    return done.text


@pytest.mark.parametrize("name", COMMANDS)
def test_readme_names_every_command(name):
    assert f"`{name}`" in README.text
    assert "Usage: codex-imagegen" in help_of(name)


def test_readme_names_every_error_code():
    codes = {error.code for error in vars(errors).values() if isinstance(error, type) and "code" in vars(error)}
    assert {code for code in codes if f"`{code}`" not in README.text} == set()


def test_readme_exit_codes_are_those_of_the_errors():
    here = [" ".join(pair) for row in exit_rows() for pair in row]
    assert sorted(here) == sorted(golden.exit_codes())


def exit_rows() -> list[list[tuple[str, str]]]:
    """(exit code, ``error.code``) of each row; several in a row are in the same order, or share the only one."""
    found = []
    for numbers, names in re.findall(r"^\| ([\d ·]+) \| ([^|]*) \|.*\|$", README.text, re.MULTILINE):
        codes, exits = re.findall(r"`([a-z-]+)`", names), re.findall(r"\d+", numbers)
        width = max(len(codes), len(exits))
        row = list(zip(exits * (width // len(exits)), codes * (width // len(codes)), strict=True)) if codes else []
        found.append(row)
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/json.md"])
def test_json_examples_fit_their_schemas(page):
    examples = docs.page(page).json_examples()
    assert len(examples) >= 2
    for line in examples:
        json_output.parse_event(line) if '"event"' in line else json_output.parse(line)


def test_json_page_names_every_event_and_key():
    page = docs.page("docs/json.md").text
    assert {each for each in get_args(Stage) if f"`{each}`" not in page} == set()
    keys = {key for schema in load_schemas().values() for key in schema["properties"]}
    assert {key for key in keys if f"`{key}`" not in page and f'"{key}"' not in page} == set()


def test_readme_has_no_placeholders():
    assert re.findall(r"^[A-Z]{5,}$", README.text, re.MULTILINE) == []
