"""The help pages: groups, the short page, and their layout at any width."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys

import click
import pytest

from codex_imagegen.cli.help import GROUPS
from codex_imagegen.cli.main import load
from codex_imagegen.cli.options import Command, Option
from tests.contract import golden
from tests.support import terminal
from tests.support.in_process import call
from tests.support.lab import COMMAND

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
    text = command.get_help(command.context_class(command, terminal_width=38))
    assert text.split("\n\n", 1)[1] == (
        '  codex-imagegen \\\n    --prompt "a red fox in the snow" \\\n    --out fox.png'
    )


@pytest.mark.parametrize("name", ["recover", "gallery"])
def test_page_is_printed_in_the_letters_of_stdout(name, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="latin-1"))
    command = load(name)
    text = command.get_help(command.context_class(command, info_name=name))
    assert text == text.encode("latin-1").decode("latin-1")
    assert "..." in text or "×" in text
    assert "?" not in text


@COMMANDS
def test_short_page_of_every_command_fits_one_screen(words):
    assert len(page(*words, "-h").splitlines()) <= 24


def test_short_page_has_the_first_sentence_of_each_option_and_its_default():
    text = page("-h")
    assert "  -r, --ref FILE      A reference picture, up to 5 (--ref before each).\n" in text
    assert re.search(r"--count N .* \[1\]\n", text)


@pytest.mark.parametrize("name", ["recover", "gallery", "doctor", "prune"])
def test_what_a_command_reads_is_after_its_options(name):
    text = page(name, "--help")
    assert text.index("\nOptions:") < text.index("\n  Reads ")
    assert "\n  Reads " not in page(name, "-h")


def on_terminal(*arguments, columns=80):
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    return terminal.run(terminal.APPLE, [COMMAND, *arguments], env=environment, columns=columns)


@pytest.mark.parametrize("columns", [80, 40])
def test_no_arguments_on_a_terminal_print_ten_lines_with_three_examples(columns):
    session = on_terminal(columns=columns)
    lines = session.shown.decode().splitlines()
    assert session.code == 2
    assert max(map(len, lines)) <= columns
    if columns == 80:
        assert len(lines) == 10
        assert sum(line.startswith('  codex-imagegen "') for line in lines) == 3


def test_no_arguments_without_a_terminal_are_a_usage_error():
    done = call(environment={name: os.environ[name] for name in ("PATH", "HOME")})
    assert (done.code, done.out, done.err.count("\n")) == (2, b"", 1)
    assert done.err.startswith("codex-imagegen: ")
