"""A dataclass as a JSON Schema: its fields are the keys, its type hints the types; the descriptions are given."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from codex_imagegen.results import ErrorInfo, Warning_

Schema = dict[str, Any]

_PLAIN: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def properties(cls: type, descriptions: Mapping[str, str]) -> dict[str, Schema]:
    """Return the keys of a dataclass with their types and descriptions; ``KeyError`` where a description is missing."""
    hints = get_type_hints(cls, localns={"ErrorInfo": ErrorInfo, "Warning_": Warning_})  # what Event knows by name
    return {field.name: describe(type_schema(hints[field.name]), descriptions[field.name]) for field in fields(cls)}


def type_schema(hint: Any) -> Schema:
    """Return a type hint as a schema; values of a ``Literal`` are examples, since more may be added."""
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if isinstance(hint, type) and is_dataclass(hint):
        return {"$ref": f"#/$defs/{definition_name(hint)}"}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"type": "string", "examples": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": type_schema(arguments[0])}
    if origin in (Union, types.UnionType) and type(None) in arguments and len(arguments) == 2:
        return _or_null(type_schema(next(each for each in arguments if each is not type(None))))
    raise TypeError(f"no schema for {hint!r}")


def definition_name(cls: type) -> str:
    """Return the name of a dataclass in a schema."""
    return {
        "ErrorInfo": "error",
        "LastPicture": "last",
        "Warning_": "warning",
        "PlannedImage": "planned",
        "PlannedReference": "reference",
    }.get(cls.__name__, cls.__name__.lower())


def object_schema(keys: Mapping[str, Schema], *, required: tuple[str, ...] | None = None) -> Schema:
    """Return an object with these keys, all of them required by default; other keys may be added later."""
    return {"type": "object", "properties": dict(keys), "required": list(keys if required is None else required)}


def describe(schema: Schema, description: str) -> Schema:
    """Return the schema with a description in front."""
    return {"description": description, **schema}


def _or_null(schema: Schema) -> Schema:
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
