"""The published schemas: they fit what is printed, are strict where it matters, and allow additions."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from codex_imagegen import errors, render
from codex_imagegen.request import Event
from codex_imagegen.results import Image, Result, Warning_
from codex_imagegen.schemas import load_schemas
from tests.contract.golden import REWRITE
from tests.support import json_output
from tests.tools import schemas
from tests.tools.schemas.kinds import DIALECT

SCHEMAS = load_schemas()

IMAGE = Image("/tmp/fox.png", "png", 1254, 1254, 1_470_000, "ab" * 32)
WARNING = Warning_("size-differs", "another size came")
GOOD = json.loads(render.result_json(Result(True, "codex", (IMAGE,), warnings=(WARNING,))))
BAD = json.loads(
    render.result_json(render.failure_result(errors.UsageLimit("the limit is reached", resets_at=5, spent=None)))
)
EVENT = json.loads(render.event_json(Event("written", 1.5, path="/tmp/fox.png")))


def faults(kind, data):
    return [fault.message for fault in Draft202012Validator(SCHEMAS[kind]).iter_errors(data)]


def test_shipped_file_is_what_the_generator_writes():
    shipped = Path(schemas.FILE).read_text()
    assert shipped == schemas.generate(), f"the dataclasses have changed; write the file anew with: {REWRITE}"


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_schema_is_valid_and_self_contained(kind):
    schema = SCHEMAS[kind]
    Draft202012Validator.check_schema(schema)
    assert (schema["$schema"], schema["title"]) == (DIALECT, kind)
    text = json.dumps(schema)
    assert all(f'"#/$defs/{name}"' in text for name in schema.get("$defs", ()))
    assert '"$ref": "http' not in text
    assert all("description" in key for key in schema["properties"].values())


def test_printed_objects_fit_their_schemas():
    assert faults("result", GOOD) == faults("result", BAD) == faults("event", EVENT) == []
    assert faults("error", BAD["error"]) == []


@pytest.mark.parametrize(("kind", "data"), [("result", GOOD), ("result", BAD), ("event", EVENT)])
def test_schemas_require_every_key_and_allow_more(kind, data):
    for key in data:
        assert faults(kind, {name: value for name, value in data.items() if name != key}), key
    assert faults(kind, {**data, "added_later": 1}) == []


@pytest.mark.parametrize(
    ("kind", "data", "changes"),
    [
        ("result", GOOD, {"ok": "yes"}),
        ("result", GOOD, {"error": BAD["error"]}),
        ("result", GOOD, {"backend": "runcomfy"}),
        ("result", BAD, {"error": None}),
        ("result", BAD, {"failures": []}),
        ("result", GOOD, {"schema": 2}),
        ("batch", GOOD, {"job": 1, "status": "made"}),
        ("sessions", GOOD, {}),
        ("event", EVENT, {"path": None}),
        ("event", EVENT, {"event": "error"}),
        ("event", EVENT, {"event": "failed"}),
        ("event", EVENT, {"event": "warning"}),
    ],
)
def test_schemas_refuse_wrong_values(kind, data, changes):
    assert faults(kind, {**data, **changes})


def test_failure_of_any_command_is_a_plain_result():
    assert faults("sessions", BAD) == faults("no-wait", BAD) == []


def test_error_schema_lists_every_code():
    codes = {cls.code for cls in vars(errors).values() if isinstance(cls, type) and "code" in vars(cls)}
    schema = SCHEMAS["error"]
    assert set(schema["properties"]["code"]["examples"]) == codes


@pytest.mark.parametrize(
    ("path", "value"), [(("sudden",), 1), (("images", 0, "sudden"), 1), (("images", 0, "format"), "gif")]
)
def test_tests_refuse_what_readers_must_ignore(path, value):
    data = copy.deepcopy(GOOD)
    *way, last = path
    place = data
    for step in way:
        place = place[step]
    place[last] = value
    assert faults("result", data) == []
    with pytest.raises(AssertionError, match="not what `codex-imagegen schema result` promises"):
        json_output.parse(json.dumps(data))


def test_runcomfy_keys_are_refused_for_codex():
    with pytest.raises(AssertionError):
        json_output.parse(json.dumps({**GOOD, "cost_usd": 0.1, "request_id": "r"}))
    json_output.parse(json.dumps({**GOOD, "cost_usd": 0.1, "request_id": "r", "backend": "runcomfy"}))
