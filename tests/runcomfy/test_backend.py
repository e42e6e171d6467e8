"""One picture from request to bytes, with the fake RunComfy."""

from __future__ import annotations

import base64
import logging
import threading
import traceback
from pathlib import Path

import pytest

from codex_imagegen.backends import load
from codex_imagegen.errors import ImagegenError, Interrupted, RunComfyAuth
from codex_imagegen.runcomfy import backend, inputs, token
from tests.runcomfy.conftest import RunContext, picture, request, when_requested
from tests.runcomfy.fake_runcomfy import REQUEST_ID, TOKEN, FakeRunComfy, Reply
from tests.support.pictures import encoded

SUBMIT = "POST /v1/models/openai/gpt-image-2/text-to-image"
EDIT = "POST /v1/models/openai/gpt-image-2/edit"
STATUS = f"GET /v1/requests/{REQUEST_ID}/status"
RESULT = f"GET /v1/requests/{REQUEST_ID}/result?include_cost=true"
CANCEL = f"POST /v1/requests/{REQUEST_ID}/cancel"


def expect_error(context: RunContext, **image_options: object) -> ImagegenError:
    with pytest.raises(ImagegenError) as caught:
        backend.make(request("a fox", **image_options), context.run())
    return caught.value


def test_backend_makes_a_picture(fake: FakeRunComfy, context: RunContext) -> None:
    fake.states.extendleft(["in_progress", "in_queue 2"])
    result = load("runcomfy").make(request("a fox", resolution="4k"), context.run())
    assert result.picture.data == fake.files["out.png"]
    assert (result.cost_usd, result.request_id, result.warnings) == (0.04, REQUEST_ID, ())
    assert (result.thread_id, result.codex_version) == (None, None)
    assert fake.lines == [SUBMIT, STATUS, STATUS, STATUS, RESULT, "GET /files/out.png"]
    assert fake.calls[0].json == {"prompt": "a fox", "resolution": "4k"}
    assert [(event.stage, event.message) for event in context.events] == [
        ("started", None), ("queued", "position 2"), ("drawing", None), ("received", None)
    ]  # fmt: skip
    assert {event.request_id for event in context.events} == {REQUEST_ID}


def test_backend_sends_references_in_order(fake: FakeRunComfy, context: RunContext, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(kind="JPEG"))
    backend.make(request("edit", "https://x.test/b.png", str(tmp_path / "a.jpg")), context.run())
    assert fake.lines[0] == EDIT
    first, second = fake.calls[0].json["images"]
    assert (first, second[:23]) == ("https://x.test/b.png", "data:image/jpeg;base64,")


def test_backend_without_token_sends_nothing(
    fake: FakeRunComfy, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNCOMFY_TOKEN")
    assert isinstance(expect_error(context), RunComfyAuth)
    assert fake.calls == []
    token.save(token.Token(TOKEN))
    backend.make(request(), context.run())
    assert fake.calls[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_backend_refuses_options_without_schema(fake: FakeRunComfy, context: RunContext) -> None:
    for image_options in ({"quality": "best"}, {"transparent": True}, {"size": (5, 1)}):
        assert expect_error(context, **image_options).exit_code == 65
    assert fake.calls == []


def test_backend_warns_of_foreign_addresses_and_fetches_none(fake: FakeRunComfy, context: RunContext) -> None:
    with FakeRunComfy() as foreign:
        evil = f"{foreign.web}/files/out.png"
        fake.output = {"image": evil, "images": [f"{fake.web}/files/out.png", evil, "http://cdn.runcomfy.net/x"]}
        result = backend.make(request(), context.run())
        assert foreign.calls == []
    assert [w.code for w in result.warnings] == ["foreign-url", "foreign-url"]
    assert evil in result.warnings[0].message


def test_backend_warns_of_a_reduced_reference(
    fake: FakeRunComfy, context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_BYTES", 400_000)
    path = tmp_path / "large.png"
    path.write_bytes(encoded(400))
    request_with_reference = request("a fox", str(path))
    result = backend.make(request_with_reference, context.run())
    assert [w.code for w in result.warnings] == ["reference-reduced"]
    (uri,) = fake.calls[0].json["images"]
    assert len(base64.b64decode(uri.partition(",")[2])) <= 400_000
    _request_id, warnings = backend.submit_only(request_with_reference, context.run())
    assert warnings == result.warnings
    fake.next("submit", Reply(422, {"detail": "no"}))
    with pytest.raises(ImagegenError) as caught:
        backend.make(request_with_reference, context.run())
    assert [code for code, _message in caught.value.warnings] == ["reference-reduced"]


def test_backend_takes_the_first_of_several_pictures(fake: FakeRunComfy, context: RunContext) -> None:
    fake.files["b.png"] = picture((3, 3))
    fake.output = {"images": [f"{fake.web}/files/{name}" for name in ("b.png", "out.png", "b.png")]}
    result = backend.make(request(), context.run())
    assert result.picture.width == 3
    assert [w.code for w in result.warnings] == ["more-pictures"]
    assert fake.lines.count("GET /files/b.png") == 1
    assert "GET /files/out.png" not in fake.lines


@pytest.mark.parametrize(
    "output",
    [
        None,
        [],
        {},
        "nothing",
        5,
        {"image": None},
        {"image": "/files/out.png"},
        {"images": ["data:image/png;base64,AAAA"]},
    ],
)
def test_output_without_address_fails_as_no_picture(fake: FakeRunComfy, context: RunContext, output: object) -> None:
    fake.next("result", Reply(200, {"status": "succeeded", "output": output}))
    error = expect_error(context)
    assert (error.code, error.exit_code, error.spent) == ("no-picture", 7, True)
    assert REQUEST_ID in str(error.hint)


def test_output_with_foreign_addresses_only_fails_as_no_picture(fake: FakeRunComfy, context: RunContext) -> None:
    fake.output = {"image": "https://evil.test/a.png"}
    error = expect_error(context)
    assert (error.code, error.spent) == ("no-picture", True)
    assert "https://evil.test/a.png" in error.warnings[0][1]


def test_download_cut_every_time_names_the_wait_command(fake: FakeRunComfy, context: RunContext) -> None:
    fake.next("file", *[Reply(body=picture((90, 90)), cut=40)] * 3)
    error = expect_error(context)
    assert (error.exit_code, error.spent) == (75, True)
    assert f"runcomfy wait {REQUEST_ID}" in str(error.hint)
    assert CANCEL not in fake.lines


def test_interrupt_during_download_cancels_nothing(fake: FakeRunComfy, context: RunContext) -> None:
    gate = threading.Event()
    fake.next("file", Reply(hold=gate))
    when_requested(fake, "/files/", context.interrupt.set)
    error = expect_error(context)
    gate.set()
    assert isinstance(error, Interrupted)
    assert f"runcomfy wait {REQUEST_ID}" in str(error.hint)
    assert CANCEL not in fake.lines


def test_submit_only_and_fetch_make_a_picture_together(fake: FakeRunComfy, context: RunContext) -> None:
    assert backend.submit_only(request(), context.run()) == (REQUEST_ID, ())
    assert fake.lines == [SUBMIT]
    assert backend.status(REQUEST_ID, context.run()).name == "completed"
    assert backend.fetch(REQUEST_ID, context.run()).picture.width == 8
    assert backend.cancel(REQUEST_ID, context.run()) == "cancelled"
    assert fake.lines == [SUBMIT, STATUS, STATUS, RESULT, "GET /files/out.png", CANCEL]


def test_invalid_request_id_sends_nothing(fake: FakeRunComfy, context: RunContext) -> None:
    for call in (backend.status, backend.fetch, backend.cancel):
        with pytest.raises(ImagegenError) as caught:
            call("../../models", context.run())  # type: ignore[operator]
        assert caught.value.exit_code == 64
    assert fake.calls == []


def test_unknown_request_id_fails_as_input(fake: FakeRunComfy, context: RunContext) -> None:
    for call in (backend.status, backend.fetch, backend.cancel):
        with pytest.raises(ImagegenError) as caught:
            call("req_other", context.run())  # type: ignore[operator]
        assert caught.value.exit_code == 65


def test_status_is_asked_once_and_fails_plainly(fake: FakeRunComfy, context: RunContext) -> None:
    fake.next("status", Reply(503, body=b""), Reply(drop=True))
    for exit_code in (69, 75):
        with pytest.raises(ImagegenError) as caught:
            backend.status(REQUEST_ID, context.run())
        assert caught.value.exit_code == exit_code


def test_token_is_in_no_log_and_no_traceback(
    fake: FakeRunComfy, context: RunContext, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        backend.make(request(), context.run())
        for reply in (Reply(500, {"error": TOKEN}), Reply(drop=True), Reply(401, {"detail": f"x {TOKEN}"})):
            fake.next("submit", reply)
            error = expect_error(context)
            assert TOKEN not in "".join(traceback.format_exception(error)) + repr(vars(error))
    assert caplog.records
    assert TOKEN not in caplog.text


def test_concurrent_runs_are_independent(fake: FakeRunComfy, context: RunContext) -> None:
    request_ids: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: request_ids.append(backend.make(request(), context.run()).request_id))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert request_ids == [REQUEST_ID] * 6
    assert fake.submitted == 6
