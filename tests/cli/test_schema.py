"""``codex-imagegen schema``: what there is, one of them, all of them."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from codex_imagegen.schemas.kinds import KINDS
from tests.support.lab import COMMAND


def run(lab, *words):
    return lab().run_argv([COMMAND, "schema", *words])


def test_without_a_name_it_says_what_there_is(lab):
    done = run(lab)
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.lines] == list(KINDS)
    assert all(len(line) <= 80 for line in done.lines)


@pytest.mark.parametrize("name", KINDS)
def test_a_schema_by_its_name(lab, name):
    done = run(lab, name)
    assert (done.code, done.err) == (0, "")
    Draft202012Validator.check_schema(json.loads(done.out))
    assert json.loads(done.out) == KINDS[name].schema(name)


def test_with_json_it_is_one_line(lab):
    (line,) = run(lab, "event", "--json").lines
    assert json.loads(line)["title"] == "event"
    (line,) = run(lab, "--json").lines
    assert list(json.loads(line)) == list(KINDS)


def test_a_name_that_there_is_not(lab):
    done = run(lab, "results", "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert "result, error, batch" in done.err
