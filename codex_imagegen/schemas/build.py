"""A dataclass as a JSON Schema: its fields are the keys, its type hints the types, and what a key means is given."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from codex_imagegen.results import ErrorInfo, Warning_

Schema = dict[str, Any]

_PLAIN: dict[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}


def properties(cls: type, words: Mapping[str, str]) -> dict[str, Schema]:
    """The keys of a dataclass with their types and descriptions; raises ``KeyError`` for one that has no words."""
    hints = get_type_hints(cls, localns={"ErrorInfo": ErrorInfo, "Warning_": Warning_})  # what Event knows by name
    return {field.name: {"description": words[field.name], **of(hints[field.name])} for field in fields(cls)}


def of(hint: Any) -> Schema:
    """A type hint as a schema; values of a ``Literal`` are examples, since more may come."""
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if isinstance(hint, type) and is_dataclass(hint):
        return {"$ref": f"#/$defs/{name(hint)}"}
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"type": "string", "examples": list(inner)}
    if origin is tuple:
        return {"type": "array", "items": of(inner[0])}
    if origin in (Union, types.UnionType) and type(None) in inner and len(inner) == 2:
        return _or_null(of(next(one for one in inner if one is not type(None))))
    raise TypeError(f"no schema for {hint!r}")


def name(cls: type) -> str:
    """What a dataclass is called in a schema."""
    return {"ErrorInfo": "error", "Warning_": "warning"}.get(cls.__name__, cls.__name__.lower())


def record(names: Mapping[str, Schema], *, required: tuple[str, ...] | None = None) -> Schema:
    """An object with these keys; all of them are always there, unless it is said which. Others may be added one day."""
    return {"type": "object", "properties": dict(names), "required": list(names if required is None else required)}


def _or_null(schema: Schema) -> Schema:
    if "type" in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
