"""A dataclass as a schema: its keys, their types and their descriptions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import pytest

from codex_imagegen import request, results
from tests.tools.schemas import build, descriptions


@dataclass(frozen=True)
class Inner:
    name: str


@dataclass(frozen=True)
class Outer:
    count: int
    ratio: float | None
    kind: Literal["a", "b"]
    all: tuple[Inner, ...]
    one: Inner | None


def test_schema_of_dataclass_has_each_field_with_its_type():
    texts = dict.fromkeys(("count", "ratio", "kind", "all", "one"), "words")
    assert build.properties(Outer, texts) == {
        "count": {"description": "words", "type": "integer"},
        "ratio": {"description": "words", "type": ["number", "null"]},
        "kind": {"description": "words", "type": "string", "examples": ["a", "b"]},
        "all": {"description": "words", "type": "array", "items": {"$ref": "#/$defs/inner"}},
        "one": {"description": "words", "anyOf": [{"$ref": "#/$defs/inner"}, {"type": "null"}]},
    }


def test_field_without_description_is_refused():
    with pytest.raises(KeyError, match="ratio"):
        build.properties(Outer, {"count": "words"})


@pytest.mark.parametrize("hint", [dict[str, int], int | str, set[str], None])
def test_type_without_schema_is_refused(hint):
    with pytest.raises(TypeError, match="no schema"):
        build.type_schema(hint)


@pytest.mark.parametrize("name", ["Image", "Failure", "Result", "Event", "Session", "ErrorInfo", "Warning_"])
def test_descriptions_name_existing_fields_only(name):
    texts = getattr(descriptions, {"ErrorInfo": "ERROR", "Warning_": "WARNING"}.get(name, name.upper()))
    renamed = {"stage": "event"}
    assert {
        renamed.get(field.name, field.name) for field in fields(getattr(request if name == "Event" else results, name))
    } == set(texts)
