"""``--no-wait`` prints the ids of the submitted requests and polls nothing."""

from __future__ import annotations

import dataclasses

import pytest

from codex_imagegen.cli.commands.runcomfy import submit_only
from codex_imagegen.errors import ImagegenError, UsageError
from codex_imagegen.runcomfy import inputs
from tests.runcomfy.cli import Shell
from tests.runcomfy.conftest import request
from tests.runcomfy.fake_runcomfy import REQUEST_ID, FakeRunComfy, Reply
from tests.support import json_output
from tests.support.pictures import encoded

SUBMIT = "POST /v1/models/openai/gpt-image-2/text-to-image"


def test_no_wait_prints_the_id_and_polls_nothing(fake: FakeRunComfy, capsys: pytest.CaptureFixture[str]) -> None:
    assert submit_only(request("a fox", quality="low"), json_wanted=False) == 0
    assert capsys.readouterr().out == f"{REQUEST_ID}\n"
    assert fake.lines == [SUBMIT]
    assert fake.calls[0].json == {"prompt": "a fox", "quality": "low"}


def test_no_wait_with_json_prints_one_object(fake: FakeRunComfy, capsys: pytest.CaptureFixture[str]) -> None:
    submit_only(request(), json_wanted=True)
    (line,) = capsys.readouterr().out.splitlines()
    envelope = json_output.parse(line)
    assert (envelope["ok"], envelope["backend"], envelope["images"]) == (True, "runcomfy", [])
    assert (envelope["request_id"], envelope["request_ids"]) == (REQUEST_ID, [REQUEST_ID])


def test_no_wait_with_count_prints_every_id(fake: FakeRunComfy, capsys: pytest.CaptureFixture[str]) -> None:
    fake.next("submit", Reply(200, {"request_id": "req_1"}), Reply(200, {"request_id": "req_2"}))
    submit_only(dataclasses.replace(request(), count=2), json_wanted=False)
    assert capsys.readouterr().out == "req_1\nreq_2\n"


def test_no_wait_failure_names_earlier_ids(fake: FakeRunComfy) -> None:
    fake.next("submit", Reply(200, {"request_id": "req_1"}), Reply(402, body=b""))
    with pytest.raises(ImagegenError, match="submitted before: req_1") as caught:
        submit_only(dataclasses.replace(request(), count=3), json_wanted=True)
    assert (caught.value.exit_code, caught.value.spent) == (7, True)
    assert fake.lines == [SUBMIT] * 2


def test_no_wait_refuses_options_of_a_waiting_run(fake: FakeRunComfy) -> None:
    for change in ({"backend": "codex"}, {"out": "a.png"}, {"count": 0}, {"timeout_sec": -1}):
        with pytest.raises(UsageError):
            submit_only(dataclasses.replace(request(), **change), json_wanted=False)  # type: ignore[arg-type]
    assert fake.calls == []


def test_no_wait_events_name_each_request(shell: Shell, fake: FakeRunComfy) -> None:
    fake.next("submit", Reply(200, {"request_id": "req_1"}), Reply(402, body=b""))
    done = shell.call("-p", "a fox", "--backend", "runcomfy", "--no-wait", "-n", "2", "--events")
    assert (done.code, done.out) == (7, b"")
    started, error = done.events
    assert (started["event"], started["index"], started["request_id"]) == ("started", 0, "req_1")
    assert "submitted before: req_1" in error["message"]


def test_no_wait_warns_of_a_reduced_reference(
    shell: Shell, fake: FakeRunComfy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_BYTES", 400_000)
    (shell.work / "large.png").write_bytes(encoded(400))
    words = ["-p", "a fox", "-r", "large.png", "--backend", "runcomfy", "--no-wait"]
    done = shell.call(*words)
    assert (done.code, done.text) == (0, f"{REQUEST_ID}\n")
    assert "'large.png' is too large to send" in done.err
    assert [warning["code"] for warning in shell.call(*words, "--json").json["warnings"]] == ["reference-reduced"]
