"""docs/exit-codes.md and docs/faq.md have every error that can be raised, with its exit code."""

from __future__ import annotations

import re

from codex_imagegen import errors
from codex_imagegen.errors import ImagegenError
from tests.contract import golden
from tests.support import docs

TABLE = docs.page("docs/exit-codes.md")


def exit_rows() -> list[list[tuple[str, str]]]:
    """(exit code, ``error.code``) of each row; several in a row are in the same order, or share the only one."""
    found = []
    for numbers, names in re.findall(r"^\| ([\d ·]+) \| ([^|]*) \|.*\|$", TABLE.text, re.MULTILINE):
        codes, exits = re.findall(r"`([a-z-]+)`", names), re.findall(r"\d+", numbers)
        width = max(len(codes), len(exits))
        row = list(zip(exits * (width // len(exits)), codes * (width // len(codes)), strict=True)) if codes else []
        found.append(row)
    return found


def test_table_has_every_error_with_its_exit_code():
    here = [" ".join(pair) for row in exit_rows() for pair in row]
    assert sorted(here) == sorted(golden.exit_codes())


def test_faq_has_an_entry_for_every_code():
    entries = re.findall(r"^### `([a-z-]+)` – (\d+)", docs.page("docs/faq.md").text, re.MULTILINE)
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ImagegenError)]
    leaves = {kind.code: kind.exit_code for kind in classes if "code" in vars(kind) and kind is not ImagegenError}
    assert dict(entries) == {code: str(number) for code, number in leaves.items()}
    assert len(entries) == len(leaves)
