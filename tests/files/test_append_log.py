"""Lines of the journal: long records are read again, and lines that are too long cost no memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.files.append_log import MAX_LINE_BYTES, AppendLog

RARE = "\U0001f98a" * 1_048_576
"""A prompt of Codex's maximum length, with each character escaped in twelve bytes."""


def written(path: Path, *records: dict[str, Any]) -> tuple[list[dict[str, Any] | None], list[dict[str, Any]]]:
    """The records of a journal as its writer reads them by their offsets, and as the next process reads them."""
    lines = AppendLog(str(path))
    list(lines.records())
    places = [lines.add(record) for record in records]
    at = [lines.record_at(place) for place in places]
    lines.close()
    again = AppendLog(str(path))
    found = list(again.records())
    assert [again.record_at(place) for place, _ in found] == [record for _, record in found]
    again.close()
    return at, [record for _, record in found]


@pytest.mark.parametrize("text", [RARE, "x" * (MAX_LINE_BYTES - 100)], ids=["rare", "longest"])
def test_long_record_is_read_again_as_it_was(tmp_path: Path, text: str) -> None:
    records = [{"event": "done", "images": [{"revised_prompt": text}]}, {"event": "after"}]
    assert written(tmp_path / "j", *records) == (records, records)


def test_record_too_long_for_a_line_is_clipped_and_read_again(tmp_path: Path) -> None:
    record = {"event": "done", "images": [{"sha256": "a" * 64, "revised_prompt": "狐" * 4_000_000}], "bytes": 7}
    at, found = written(tmp_path / "j", record, {"event": "after"})
    assert at == found
    assert found[1] == {"event": "after"}
    image = found[0]["images"][0]
    assert (image["sha256"], found[0]["bytes"], set(image["revised_prompt"])) == ("a" * 64, 7, {"狐"})
    assert len(image["revised_prompt"]) > 1_000_000


def test_foreign_line_costs_no_more_memory_than_the_longest_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "j"
    with path.open("wb") as file:
        file.write(b'{"event":"before"}\n')
        for _ in range(12):
            file.write(b"x" * MAX_LINE_BYTES)
        file.write(b'\n{"event":"after"}\n')
    lines = AppendLog(str(path))
    tracemalloc.start()
    try:
        found = [record for _, record in lines.records()]
        assert tracemalloc.get_traced_memory()[1] < 4 * MAX_LINE_BYTES
    finally:
        tracemalloc.stop()
        lines.close()
    assert found == [{"event": "before"}, {}, {"event": "after"}]


LOW = """
import os, sys
from codex_imagegen.files.append_log import AppendLog
from codex_imagegen.codex.run.workspace import choose_path, lock_folder, workspace
from codex_imagegen.files import atomic
for number in range(3):
    os.close(number)
lines = AppendLog(sys.argv[1] + "/journal")
with workspace() as (folder, _), lock_folder(folder) as kept, atomic.temporary_file(sys.argv[1]) as (file, _):
    numbers = [lines._file, *kept, file.fileno()]
with open(sys.argv[1] + "/numbers", "w") as output:
    output.write(repr(numbers))
"""


def test_locks_never_get_the_descriptors_of_standard_streams(tmp_path: Path) -> None:
    """A host program may have closed them, and its output must not end up in the journal."""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", LOW, str(tmp_path)], check=True, env=environment, timeout=60)
    numbers = eval((tmp_path / "numbers").read_text())
    assert len(numbers) == 3
    assert min(numbers) > 2
