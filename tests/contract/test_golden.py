"""Names, streams, codes and keys change only by addition: what others build on is held to what was promised."""

from __future__ import annotations

import re

import pytest

from tests.contract import golden

HOW = f"If it is meant, and changes only by addition, write it anew with: {golden.REWRITE}"


def promised(name: str) -> list[str]:
    return (golden.FOLDER / name).read_text().splitlines()


@pytest.mark.parametrize("name", golden.LISTS)
def test_promises_written_down_are_still_true(name):
    now = set(golden.LISTS[name]())
    gone = [line for line in promised(name) if line not in now]
    assert not gone, f"A PROMISE WAS CHANGED, and others build on it. No longer true of {name}: {gone}"


@pytest.mark.parametrize("name", golden.LISTS)
def test_promises_made_are_written_down(name):
    known = set(promised(name))
    new = [line for line in golden.LISTS[name]() if line not in known]
    assert not new, f"A NEW PROMISE is not in fixtures/contract/{name} yet: {new}. {HOW}"


@pytest.mark.parametrize("words", golden.commands(), ids="-".join)
def test_help_of_every_command_is_as_written_down(words):
    path = golden.help_file(words)
    assert path.is_file(), f"THE COMMAND {' '.join(words)!r} IS NEW: its help is not in fixtures/contract yet. {HOW}"
    before, now = path.read_text(), golden.help_page(words)
    gone = options(before) - options(now)
    assert not gone, f"A PROMISE WAS CHANGED: {' '.join(words)!r} no longer takes {sorted(gone)}"
    # how click breaks lines is click's own
    assert "".join(before.split()) == "".join(now.split()), f"The help of {' '.join(words)!r} has changed. {HOW}"


def test_commands_written_down_still_exist():
    there, known = set((golden.FOLDER / "help").iterdir()), {golden.help_file(words) for words in golden.commands()}
    assert not there - known, f"A PROMISE WAS CHANGED: there is no command any more for {sorted(there - known)}"


def options(page: str) -> set[str]:
    """``--out``, ``-o`` and so on: what a help page says that a command takes."""
    lines = re.findall(r"^  (-.*?)(?:  |$)", page, re.MULTILINE)
    return {word for line in lines for word in re.findall(r"--?[a-z][a-z-]*", line)}
