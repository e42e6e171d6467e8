"""Every fault of the table: the exit code, the JSON, and that no picture which landed is lost."""

from __future__ import annotations

import pytest

from tests.faults.stage import Meanwhile, Stage
from tests.faults.table import DELIVERED, NONE, RECOVERABLE, TABLE, Fault
from tests.support import checks

pytestmark = pytest.mark.real


@pytest.mark.parametrize("fault", TABLE, ids=lambda fault: fault.name)
def test_fault(fault, lab):
    reason = fault.needs() if fault.needs else None
    if reason:
        pytest.skip(reason)
    stage = Stage(lab(fault.version, script=Meanwhile(fault.side)))
    done = fault.bring(stage)
    assert done.code == fault.exit_code, done
    assert stage.script.went_wrong == []
    assert_told(fault, stage, done)
    assert_picture(fault, stage, done)
    stage.folder.is_dir() and stage.folder.chmod(0o755)
    assert checks.processes(stage.lab) == []
    if fault.exit_code >= 0:  # after a SIGKILL of ours, nobody is left to tidy up
        assert stage.lab.leftovers == []
        assert checks.temporary(stage.lab.work) == []


def assert_told(fault: Fault, stage: Stage, done) -> None:
    if not fault.spoken:
        return
    error = done.json["error"]
    assert (error and error["code"]) == fault.code, done
    assert done.json["ok"] is (fault.code is None)
    assert "Traceback" not in done.err
    if error:
        assert done.err.count("\n") == 1
        assert error["spent"] is not False or stage.lab.model_calls == 0


def assert_picture(fault: Fault, stage: Stage, done) -> None:
    made = stage.script.picture_made
    if fault.picture == DELIVERED:
        assert stage.out.read_bytes() == made
        return
    assert not stage.out.is_file() or stage.out.read_bytes() != made
    if fault.picture == RECOVERABLE:
        if fault.spoken:
            assert f"codex-imagegen recover {stage.thread_id} --out " in done.json["error"]["hint"]
        back = stage.lab.work / "back.png"
        recovered = stage.recover(stage.thread_id, "--out", str(back))
        assert (recovered.code, recovered.text) == (0, f"{back}\n"), recovered
        assert back.read_bytes() == made
    else:
        assert fault.picture == NONE
        assert stage.recover("--last").code == 7
