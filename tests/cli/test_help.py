"""The help pages: groups, the short page, and their layout at any width."""

from __future__ import annotations

import os
import shlex

import click
import pytest

from codex_imagegen.cli.help import GROUPS
from codex_imagegen.cli.main import load
from codex_imagegen.cli.options import Command, Option
from tests.contract import golden
from tests.support.in_process import call

COMMANDS = pytest.mark.parametrize("words", golden.commands(), ids="-".join)
PAGES = pytest.mark.parametrize("flag", ["-h", "--help"])


def page(*words, columns=80):
    environment = {name: os.environ[name] for name in ("PATH", "HOME")}
    done = call(*words, environment={**environment, "COLUMNS": str(columns), "LC_ALL": "C.UTF-8"})
    assert (done.code, done.err) == (0, "")
    return done.text


def command_of(words):
    found = load(words[0])
    for word in words[1:]:
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return found


@COMMANDS
def test_options_of_a_command_all_name_a_known_group_or_none_does(words):
    options = [each for each in command_of(words).params if isinstance(each, click.Option)]
    groups = {each.opts[-1]: getattr(each, "group", None) for each in options}
    if any(groups.values()):
        assert {name for name, group in groups.items() if group not in GROUPS} == set(), "give it a group"


@pytest.mark.parametrize(
    ("name", "groups"), [("generate", list(GROUPS)), ("batch", [name for name in GROUPS if name != "what"])]
)
def test_long_page_has_the_groups_in_their_order(name, groups):
    headings = [line[:-1] for line in page(name, "--help").splitlines() if line[:1].isupper() and line.endswith(":")]
    assert headings[: len(groups)] == [GROUPS[group] for group in groups]


@COMMANDS
@PAGES
@pytest.mark.parametrize("columns", [80, 40])
def test_page_breaks_no_word_and_fits_the_terminal(words, flag, columns):
    """Only one word alone, with its quotes, is wider than the terminal. Backslashes continue commands."""
    text, wide = (page(*words, flag, columns=width).replace("\\\n", "\n") for width in (columns, 80))
    assert text.split() == wide.split()
    long = [line for line in text.splitlines() if len(line) > columns and len(shlex.split(line, posix=False)) > 1]
    assert long == []


def test_short_page_of_default_command_fits_one_screen_with_the_command_and_the_next_prompt():
    lines = page("-h").splitlines()
    assert len(lines) <= 22
    assert 10 <= sum(line.startswith("  -") for line in lines) <= 14
    assert '"a red fox' in "".join(lines[:4])
    assert lines[-1].endswith("codex-imagegen --help")


def test_short_page_has_the_common_options_and_the_long_one_has_all():
    long, short = page("--help"), page("-h")
    options = [each for each in load("generate").params if isinstance(each, Option)]
    names = {max(each.opts, key=len): each.common for each in options if each.opts != ["-h"]}
    assert {name for name in names if f"{name} " not in f"{long} "} == set()
    assert {name for name, common in names.items() if common != (f"{name} " in short)} == set()


def test_option_that_names_an_unknown_group_fails():
    lost = Command("lost", params=[Option(["--lost"], group="nowhere")])
    with pytest.raises(KeyError, match="nowhere"):
        lost.get_help(lost.make_context("lost", []))


def test_long_command_in_an_example_is_continued_outside_of_quotes():
    example = '\b\ncodex-imagegen --prompt "a red fox in the snow" --out fox.png'
    command = Command("example", help=example, add_help_option=False)
    text = command.get_help(command.context_class(command, terminal_width=36))
    assert text.split("\n\n", 1)[1] == (
        '  codex-imagegen --prompt \\\n    "a red fox in the snow" --out \\\n    fox.png'
    )
