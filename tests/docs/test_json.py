"""docs/json.md agrees with the schemas: its examples fit them, and it names every event and every key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import codex_imagegen
from codex_imagegen.request import Stage
from codex_imagegen.schemas import load_schemas
from tests.support import docs, json_output

PAGE = docs.page("docs/json.md")


def test_json_examples_fit_their_schemas():
    examples = PAGE.json_examples()
    assert len(examples) >= 2
    for line in examples:
        json_output.parse_event(line) if '"event"' in line else json_output.parse(line)


def test_json_page_names_every_event_and_key():
    assert {each for each in get_args(Stage) if f"`{each}`" not in PAGE.text} == set()
    keys = {key for schema in load_schemas().values() for key in schema["properties"]}
    assert {key for key in keys if f"`{key}`" not in PAGE.text and f'"{key}"' not in PAGE.text} == set()


def test_json_page_names_every_warning():
    sources = [path.read_text() for path in Path(codex_imagegen.__file__).parent.rglob("*.py")]
    codes = {code for source in sources for code in re.findall(r"\bWarning_\(\s*\"([a-z-]+)\"", source)}
    assert len(codes) > 12
    assert {code for code in codes if f"`{code}`" not in PAGE.text} == set()
