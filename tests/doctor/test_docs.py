"""docs/doctor.md tells the truth: every check with its keys and what it fails with, and every word of a status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from codex_imagegen.doctor.checks import CHECKS, LIVE
from codex_imagegen.doctor.words import MARKS
from tests.doctor.surgery import KEYS
from tests.support import promised

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text()
ROWS = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", PAGE.split("## `--json`")[1], re.MULTILINE))


@pytest.mark.parametrize("check", [*CHECKS, LIVE], ids=lambda check: check.name)
def test_every_check_has_its_row_and_its_keys(check):
    assert f"\n| `{check.name}` | " in PAGE.split("## `--json`")[0]
    named = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)|: .*", "", ROWS.get(check.name, "")))
    assert tuple(named) == check.keys


def test_the_words_are_those_of_the_program():
    assert all(f"`{word}`" in PAGE for word in [*MARKS, *MARKS.values()])


def test_the_example_of_json_is_what_is_promised():
    (example,) = re.findall(r'^```json\n(\{"schema": .*?)^```', PAGE, re.MULTILINE | re.DOTALL)
    assert list(promised.read(example.replace("\n", ""))) == KEYS
