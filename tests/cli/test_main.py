"""The boundary: whatever goes wrong becomes a sentence, one JSON object, and an exit code."""

from __future__ import annotations

import json

from codex_imagegen.cli import main


def test_command_that_fails_to_import_is_an_internal_error(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setitem(main.COMMANDS, "demo", ("codex_imagegen.cli.nowhere", "what a broken installation looks like"))
    assert main.run(["demo", "--json"]) == 70
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["code"] == "internal"
    assert told.err.startswith("codex-imagegen: a defect of this program: ModuleNotFoundError")
    assert "Traceback" not in told.err
