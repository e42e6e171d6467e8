"""docs/doctor.md agrees with the program: every check with its keys, and every status."""

from __future__ import annotations

import re

import pytest

from codex_imagegen.doctor.report import MARKS
from codex_imagegen.doctor.runner import CHECKS, LIVE
from tests.doctor.runs import KEYS
from tests.support import docs, json_output

PAGE = docs.page("docs/doctor.md")
ROWS = {row[0].strip("`"): row[-1] for row in PAGE.after("## `--json`").rows()}


@pytest.mark.parametrize("check", [*CHECKS, LIVE], ids=lambda check: check.name)
def test_doctor_page_lists_every_check_and_its_keys(check):
    assert f"\n| `{check.name}` | " in PAGE.before("## `--json`").text
    named = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)|: .*", "", ROWS.get(check.name, "")))
    assert tuple(named) == check.keys


def test_doctor_page_names_every_status():
    assert all(f"`{word}`" in PAGE.text for word in [*MARKS, *MARKS.values()])


def test_doctor_json_example_fits_its_schema():
    (example,) = PAGE.json_examples()
    assert list(json_output.parse(example)) == KEYS
