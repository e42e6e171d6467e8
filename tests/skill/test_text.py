"""The skill follows the rules of agentskills.io, and its commands, options and codes exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import click
import pytest

import codex_imagegen.skill
from codex_imagegen.cli.main import COMMANDS, load
from codex_imagegen.results import ErrorInfo, Image
from codex_imagegen.skill.install import NAME, compute_seal, is_ours, is_unedited, read_text
from tests.test_errors import CONTRACT

SKILL = read_text().decode()
_, FRONT, BODY = SKILL.split("---\n", 2)
FIELDS = dict(re.findall(r"^([a-z-]+):(?: (.*))?$", FRONT, re.MULTILINE))
ROWS = [
    (set(map(int, re.findall(r"\d+", exits))), set(re.findall(r"`([a-z-]+)`", codes)), meaning.strip())
    for exits, codes, meaning in re.findall(r"^\| ([\d ]+) \|([^|]*)\|([^|]*)\|$", BODY, re.MULTILINE)
]
BESIDE = {0, 1, 124, 127, 137, 143}
"""Exit codes that no class has: success, some of several, timeout(1), no such command, SIGKILL, SIGTERM."""


def test_front_matter_fits_the_limits():
    assert list(FIELDS) == ["name", "description", "license", "compatibility", "metadata"]
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", FIELDS["name"])
    assert len(FIELDS["name"]) <= 64
    assert 0 < len(FIELDS["description"]) <= 1024
    assert 0 < len(FIELDS["compatibility"]) <= 500


def test_front_matter_is_plain_yaml():
    """The values are not quoted, so they may have nothing that is special in YAML."""
    for value in FIELDS.values():
        assert not re.search(r": | #|^[\"'\[{>|*&!%@`]", value)


def test_name_is_that_of_the_folder():
    folder = Path(codex_imagegen.skill.__file__).parent / NAME
    assert (folder / "SKILL.md").read_bytes() == read_text()
    assert FIELDS["name"] == folder.name


def test_text_is_short_and_ascii():
    assert len(BODY.splitlines()) < 200
    assert SKILL.isascii()
    assert all(len(line) <= 130 for line in BODY.splitlines() if not line.startswith("|"))


def test_text_has_its_seal():
    assert is_unedited(read_text()), f'the seal of this text is "{compute_seal(read_text())}"'


@pytest.mark.parametrize("change", [lambda t: t + b" ", lambda t: t.replace(b"fox", b"cat", 1), lambda t: t[:-1]])
def test_edited_copy_is_recognized(change):
    edited = change(read_text())
    assert is_ours(edited)
    assert not is_unedited(edited)


@pytest.mark.parametrize(
    "other", [b"", b"---\nname: codex-imagegen\n---\n", b"\xff\xfe", read_text().replace(b"name: c", b"name: d")]
)
def test_foreign_file_is_not_recognized(other):
    assert not is_ours(other)
    assert not is_unedited(other)


def every(command: click.Command, path: str) -> dict[str, click.Command]:
    """A command and its subcommands, by the words that call them."""
    found = {path: command}
    for name, below in command.commands.items() if isinstance(command, click.Group) else ():
        found |= every(below, f"{path} {name}")
    return found


ALL = {path: command for name in COMMANDS for path, command in every(load(name), name).items()}


def test_named_options_exist():
    known = {option for command in ALL.values() for parameter in command.params for option in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", BODY))
    assert len(named) > 15
    assert named - known == set()


def examples() -> list[str]:
    """The arguments of each call of the program, in backquotes or on a line of its own."""
    return re.findall(r"(?:^ *|`)codex-imagegen ([^`\n]*?)(?: </dev/null[^\n]*)?(?:`|$)", BODY, re.MULTILINE)


def test_text_has_examples():
    assert len(examples()) > 6


@pytest.mark.parametrize("example", examples())
def test_examples_use_existing_commands_and_options(example):
    path = max((path for path in ALL if f"{example} ".startswith(f"{path} ")), key=len, default="generate")
    assert path != "generate" or example.startswith("--")
    known = {option for parameter in ALL[path].params for option in parameter.opts}
    assert set(re.findall(r"(?<!\S)--[a-z-]+", example)) <= known


def test_every_exit_code_is_listed():
    listed = set().union(*(exits for exits, _codes, _meaning in ROWS))
    assert listed == BESIDE | set(CONTRACT)


def test_every_error_is_listed_once_with_its_exit_code():
    named = [code for _exits, codes, _meaning in ROWS for code in codes]
    assert sorted(named) == sorted(code for codes in CONTRACT.values() for code in codes)
    for exits, codes, meaning in ROWS:
        assert codes <= set().union(*(CONTRACT.get(number, set()) for number in exits)), exits
        assert meaning.endswith(".")


def test_named_keys_exist():
    errors, images = ({field.name for field in fields(kind)} for kind in (ErrorInfo, Image))
    assert set(re.findall(r"`error\.(\w+)`", BODY)) - {"code"} <= errors
    assert set(re.findall(r"`images\[\]\.(\w+)`", BODY)) <= images
    assert {"width", "height"} <= images


def test_text_has_no_path_of_a_machine():
    assert not re.search(r"/(?:home|root|tmp|work)/", SKILL)
