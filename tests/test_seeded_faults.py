"""The faults of tests/tools/seeded_faults.py fit the current code: each applies once, and is valid Python."""

from __future__ import annotations

import pytest

from tests.tools import seeded_faults
from tests.tools.seeded_faults import FAULTS, ROOT


def test_faults_apply_once_and_compile():
    assert len(FAULTS) == 40
    for fault in FAULTS:
        compile(fault.applied(), fault.file, "exec")


def test_faults_name_tests_that_exist():
    assert [name for fault in FAULTS for name in fault.first if not (ROOT / "tests" / name).is_file()] == []


def test_seeded_file_is_restored_after_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(seeded_faults, "ROOT", tmp_path)
    path = tmp_path / "codex_imagegen" / "a.py"
    path.parent.mkdir()
    path.write_text("limit = 1\n")
    fault = seeded_faults.Fault("a.py", "limit = 1", "limit = 2", "", ())
    before, seen = path.stat().st_mtime_ns, ""

    def interrupted() -> None:
        nonlocal seen
        with seeded_faults.seeded(fault):
            seen = path.read_text()
            assert path.stat().st_mtime_ns != before
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (seen, path.read_text()) == ("limit = 2\n", "limit = 1\n")


def test_fault_whose_text_occurs_twice_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(seeded_faults, "ROOT", tmp_path)
    path = tmp_path / "codex_imagegen" / "a.py"
    path.parent.mkdir()
    path.write_text("limit = 1\nlimit = 1\n")
    with pytest.raises(ValueError, match="2 times"):
        seeded_faults.Fault("a.py", "limit = 1", "limit = 2", "", ()).applied()
