"""Parses JSON that the program printed, and checks it against its published schema; every test uses this.

The schemas allow unknown keys, so that readers accept future ones. The tests are stricter: a key that is in no schema,
or a value that none of them lists, fails.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from codex_imagegen.schemas import load_schemas


def parse(line: str | bytes) -> Any:
    """Parse an object of stdout: a result, or one of the kinds with more keys."""
    data = json.loads(line)
    assert_fits_schema(data, _kind(data))
    return data


def parse_event(line: str) -> Any:
    """Parse a line of stderr with ``--events``."""
    data = json.loads(line)
    assert_fits_schema(data, "event")
    return data


def assert_fits_schema(data: Any, kind: str) -> None:
    """Fail if the data does not fit the schema of this name, or holds more than it lists."""
    faults = [f"{fault.json_path}: {fault.message}" for fault in _validator(kind).iter_errors(data)]
    assert not faults, f"not what `codex-imagegen schema {kind}` promises: {'; '.join(faults)[:2000]}"
    if "cost_usd" in _validator(kind).schema["properties"]:
        assert ("cost_usd" in data) is ("request_id" in data) is (data["backend"] == "runcomfy"), data


def _kind(data: Any) -> str:
    """The schema whose own keys are all in the object, trying those with the most keys first; else ``result``."""
    schemas = {name: _validator(name).schema for name in load_schemas() if name not in {"error", "event"}}
    for name in sorted(schemas, key=lambda name: -len(schemas[name]["properties"])):
        own = schemas[name]["properties"].keys() - schemas["result"]["properties"].keys()
        if own and own <= data.keys():
            return name
    return "result"


@cache
def _validator(kind: str) -> Draft202012Validator:
    schema = load_schemas()[kind]
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(_strict(schema), format_checker=Draft202012Validator.FORMAT_CHECKER)


def _strict(schema: Any) -> Any:
    """The same schema, allowing no other keys, and no values other than its examples."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    stricter = {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        stricter["additionalProperties"] = False
    if isinstance(schema.get("examples"), list):
        stricter["enum"] = schema["examples"]
    return stricter
