"""``codex-imagegen schema``: the list, one schema, all of them."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from codex_imagegen.schemas import load_schemas
from tests.support.in_process import call

SCHEMAS = load_schemas()


def run(*words):
    return call("schema", *words)


def test_schema_without_name_lists_the_names():
    done = run()
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.lines] == list(SCHEMAS)
    assert all(len(line) <= 80 for line in done.lines)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_of_each_name_is_printed(name):
    done = run(name)
    assert (done.code, done.err) == (0, "")
    Draft202012Validator.check_schema(json.loads(done.out))
    assert json.loads(done.out) == SCHEMAS[name]


def test_schema_with_json_is_one_line():
    (line,) = run("event", "--json").lines
    assert json.loads(line)["title"] == "event"
    (line,) = run("--json").lines
    assert list(json.loads(line)) == list(SCHEMAS)


def test_schema_of_unknown_name_is_refused_as_usage():
    done = run("results", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert "did you mean 'result'?" in done.err
    assert "result, error, batch" in run("nonsense").err
