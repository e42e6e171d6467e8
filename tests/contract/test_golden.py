"""Names, streams, codes and keys change only by addition."""

from __future__ import annotations

import re

import pytest

from tests.contract import golden

HOW = f"If this is intended, and only adds, write it anew with: {golden.REWRITE}"


def promised(name: str) -> list[str]:
    return (golden.FOLDER / name).read_text().splitlines()


@pytest.mark.parametrize("name", golden.LISTS)
def test_promises_in_the_files_are_still_true(name):
    now = set(golden.LISTS[name]())
    gone = [line for line in promised(name) if line not in now]
    assert not gone, f"A PROMISE WAS CHANGED, and others build on it. No longer true of {name}: {gone}"


@pytest.mark.parametrize("name", golden.LISTS)
def test_all_promises_are_in_the_files(name):
    known = set(promised(name))
    new = [line for line in golden.LISTS[name]() if line not in known]
    assert not new, f"A NEW PROMISE is not in fixtures/contract/{name} yet: {new}. {HOW}"


@pytest.mark.parametrize("words", golden.commands(), ids="-".join)
def test_help_of_every_command_equals_its_file(words):
    path = golden.help_file(words)
    assert path.is_file(), f"THE COMMAND {' '.join(words)!r} IS NEW: its help is not in fixtures/contract yet. {HOW}"
    before, now = path.read_text(), golden.help_page(words)
    gone = options(before) - options(now)
    assert not gone, f"A PROMISE WAS CHANGED: {' '.join(words)!r} no longer takes {sorted(gone)}"
    # line breaks differ between versions of click
    assert "".join(before.split()) == "".join(now.split()), f"The help of {' '.join(words)!r} has changed. {HOW}"


def test_options_page_equals_the_help_of_every_command():
    page = golden.OPTIONS_PAGE.read_text()
    assert "".join(page.split()) == "".join(golden.options_page().split()), f"docs/options.md has changed. {HOW}"


def test_commands_with_a_help_file_still_exist():
    there, known = set((golden.FOLDER / "help").iterdir()), {golden.help_file(words) for words in golden.commands()}
    assert not there - known, f"A PROMISE WAS CHANGED: there is no command any more for {sorted(there - known)}"


def options(page: str) -> set[str]:
    """The options on a help page: ``--out``, ``-o`` and so on."""
    lines = re.findall(r"^  (-.*?)(?:  |$)", page, re.MULTILINE)
    return {word for line in lines for word in re.findall(r"--?[a-z][a-z-]*", line)}
