"""Every failure of the table, through the installed command with the real Codex."""

from __future__ import annotations

import re

import pytest

from codex_imagegen.generation import NO_PICTURE_CODES
from tests.support import builds, checks, failures, scripts
from tests.support.checks import ENDS
from tests.support.failures import DELIVERED, NONE, RECOVERABLE, Failure
from tests.support.faulty_run import FaultyRun
from tests.support.in_process import call

pytestmark = pytest.mark.real
FOX = ["--prompt", "a red fox", "--out", "fox.png", "--json"]


@pytest.mark.parametrize(("failure", "version", "model"), failures.variants())
def test_failure_of_the_table_ends_as_its_row_says(lab, failure, version, model):
    reason = failure.needs() if failure.needs else None
    if reason:
        pytest.skip(reason)
    run = FaultyRun(lab(version, script=failure.script()))
    if model:
        run.model = ["--model", model]
    if failure.stops:
        run.hold_second_turn()
    done = failure.bring(run)
    assert done.code == failure.exit_code, done
    assert getattr(run.script, "errors", []) == []
    if failure.has_stdout:
        assert_told(failure, run, done)
    assert_picture(failure, run, done)
    if run.folder.is_dir():
        run.folder.chmod(0o755)
    if failure.exit_code >= 0:  # after a SIGKILL of ours, nobody is left to tidy up
        checks.assert_clean(run.lab)
    if failure.code is not None and failure.picture == NONE:
        assert recovered(run, "--last").code == 7


def assert_told(failure: Failure, run: FaultyRun, done) -> None:
    assert "Traceback" not in done.err
    assert "sk-made-up" not in done.err + done.text
    if failure.code is None:
        assert (done.json["ok"], done.json["error"]) == (True, None)
        return
    answer = checks.assert_reported(done, failure.exit_code, failure.code)
    error = answer["error"]
    text = f"\n{error['message']}\n{error['hint']}\n"
    assert [words for words in failure.says if words.replace("MODEL", asked_model(run)) not in text] == [], text
    assert "<" not in error["message"] + error["hint"].partition(" --out ")[0], text
    assert not re.search(r"[^\n]\bcodex(?:-imagegen recover| login)", error["hint"]), text  # a command has its own line
    assert error["spent"] is failure.spent if failure.spent is not ... else error["spent"] is not False or no_call(run)
    if failure.calls is not None:
        assert run.lab.model_calls == failure.calls
    if failure.stops:
        assert "turn_aborted" in run.rollout().read_text()  # Codex was ended in good order
    if failure.tool is not None:
        assert answer["codex_version"] == run.lab.version
        assert answer["thread_id"] == run.thread_id
        assert (f"codex-imagegen recover {run.thread_id}" in error["hint"]) == (failure.code not in NO_PICTURE_CODES)
    assert_end_of_limit(failure, run, error)


def asked_model(run: FaultyRun) -> str:
    asked = checks.requests(run.lab)
    return str(asked[0]["model"]) if asked else "nobody"


def no_call(run: FaultyRun) -> bool:
    return run.lab.model_calls == 0


def assert_end_of_limit(failure: Failure, run: FaultyRun, error) -> None:
    if failure.resets_sec is not None:
        assert 0 <= run.script.resets_at - error["resets_at"] < failure.resets_sec
    elif getattr(run.script, "resets_at", None) is None and failure.code == "usage-limit":
        assert error["resets_at"] is None


def assert_picture(failure: Failure, run: FaultyRun, done) -> None:
    if failure.picture == DELIVERED:
        assert run.out.read_bytes() == run.script.drawn_picture
        return
    if failure.picture == NONE:
        assert [*run.lab.work.rglob("*fox*"), *run.lab.work.rglob("image*")] == []  # under no other name either
        return
    assert failure.picture == RECOVERABLE
    assert not run.out.is_file() or run.out.read_bytes() != run.script.drawn_picture
    if failure.has_stdout:
        assert f"codex-imagegen recover {run.thread_id} --out " in done.json["error"]["hint"]
    back = run.lab.work / "back.png"
    done = recovered(run, run.thread_id, "--out", str(back))
    assert (done.code, done.text) == (0, f"{back}\n")
    assert back.read_bytes() == run.script.drawn_picture


def recovered(run: FaultyRun, *words: str):
    return call("recover", *words, environment=run.lab.environment, folder=run.lab.work)


# What goes well in the end


@ENDS
def test_torn_picture_before_a_whole_one_delivers_the_whole_one(lab, version):
    script = scripts.TornThenWhole()
    world = lab(version, script=script)
    assert world.call(*FOX).code == 0
    assert (world.work / "fox.png").read_bytes() == script.nth(1)


def test_blocked_picture_before_a_whole_one_in_a_full_turn_delivers_the_whole_one(lab):
    """By default Codex is stopped at the first refusal of the safety system."""
    script = scripts.BlockedThenWhole()
    world = lab(script=script)
    assert world.call(*FOX, "--full-turn").code == 0
    assert (world.work / "fox.png").read_bytes() == script.nth(1)


@ENDS
def test_limit_after_the_picture_delivers_the_picture(lab, version):
    script = scripts.LimitAfterPicture()
    world = lab(version, script=script)
    assert world.call(*FOX, "--full-turn").code == 0
    assert (world.work / "fox.png").read_bytes() == script.nth(0)


@pytest.mark.parametrize(
    "version", [builds.OLDEST, *(pytest.param(one, marks=pytest.mark.every_build) for one in ("0.118.0", "0.141.0"))]
)
def test_picture_whose_status_stays_generating_is_delivered(lab, version):
    script = scripts.StaysGenerating()
    world = lab(version, script=script)
    assert world.call(*FOX).code == 0
    assert (world.work / "fox.png").read_bytes() == script.nth(0)
