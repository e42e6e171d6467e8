"""The contract as text that tests compare: help pages, exit codes, and the keys of all JSON."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from codex_imagegen import errors
from codex_imagegen.cli.main import COMMANDS
from codex_imagegen.schemas import load_schemas
from tests.support.in_process import call
from tests.tools import schemas

FOLDER = Path(__file__).parent.parent.parent / "fixtures" / "contract"
SCHEMAS = Path(schemas.FILE)
REWRITE = "python -m tests.contract"


def commands() -> list[tuple[str, ...]]:
    """The words of every command, subcommands too: ``("batch",)``, ``("runcomfy", "wait")``."""

    def below(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield words
        if isinstance(command, click.Group):
            for name, each in command.commands.items():
                yield from below(each, (*words, name))

    return [words for name, (module, _) in COMMANDS.items() for words in below(import_module(module).command, (name,))]


def help_page(words: tuple[str, ...]) -> str:
    """The ``--help`` of a command, at 80 columns whatever the terminal is."""
    environment = {**{name: os.environ[name] for name in ("PATH", "HOME")}, "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
    done = call(*words, "--help", environment=environment)
    assert done.code == 0, done
    return done.text


def help_file(words: tuple[str, ...]) -> Path:
    return FOLDER / "help" / f"{'-'.join(words)}.txt"


def exit_codes() -> list[str]:
    """``7 usage-limit`` and so on, of every error that can be raised."""
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ImagegenError)
    ]
    leaves = [
        each for each in classes if "code" in vars(each) and each not in (errors.ImagegenError, errors.Interrupted)
    ]
    signals = [errors.Interrupted("", signum=signum) for signum in (1, 2, 3, 15)]
    return [f"{each.exit_code} {each.code}" for each in sorted([*leaves, *signals], key=lambda each: each.exit_code)]


def keys() -> list[str]:
    """``image.width: integer`` and so on, of every schema; with a ``?`` if the key is optional."""
    parts = _parts()
    result_keys = [line.partition(".")[2] for line in _keys(parts["result"], "result")]
    found: list[str] = []
    for name, part in parts.items():
        lines = [line.partition(".")[2] for line in _keys(part, name)]
        if name != "result" and set(lines) >= set(result_keys):
            lines = ["(every key of result)", *(line for line in lines if line not in result_keys)]
        found += [f"{name}.{line}" for line in lines]
    return found


def values() -> list[str]:
    """``event.event = received`` and so on: the values that the schemas list."""

    def walk(schema: dict[str, Any], at: str) -> Iterator[str]:
        for key, value in schema["properties"].items():
            yield from (f"{at}.{key} = {each}" for each in value.get("examples", ()))
            if "properties" in value.get("items", {}):
                yield from walk(value["items"], f"{at}.{key}[]")

    found = [line for name, part in _parts().items() for line in walk(part, name)]
    return [line for line in found if ".backend" not in line or line.startswith("result.")]


def _parts() -> dict[str, Any]:
    """Every schema, and every definition in them."""
    roots = load_schemas()
    return {**{name: part for root in roots.values() for name, part in root.get("$defs", {}).items()}, **roots}


def _keys(schema: dict[str, Any], name: str) -> Iterator[str]:
    for key, value in schema["properties"].items():
        many = "[]" if "items" in value else ""
        yield f"{name}.{key}{many}{'' if key in schema['required'] else '?'}: {_type(value.get('items', value))}"
        if "properties" in value.get("items", {}):
            yield from _keys(value["items"], f"{name}.{key}[]")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    return schema["type"] if isinstance(schema["type"], str) else " | ".join(schema["type"])


LISTS = {"exit-codes.txt": exit_codes, "keys.txt": keys, "values.txt": values}
"""The files of which each line is a promise."""


def rewrite() -> list[Path]:
    """Write the schemas and every golden file anew, remove those of missing commands; returns what was changed."""
    before = SCHEMAS.read_text()
    SCHEMAS.write_text(schemas.generate())
    wanted = {help_file(words): help_page(words) for words in commands()}
    wanted |= {FOLDER / name: "\n".join(lines()) + "\n" for name, lines in LISTS.items()}
    wanted[SCHEMAS] = SCHEMAS.read_text()
    there = {SCHEMAS: before} | {path: path.read_text() for path in FOLDER.rglob("*.txt")}
    for path in there.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return sorted(path for path in there.keys() | wanted.keys() if there.get(path) != wanted.get(path))
