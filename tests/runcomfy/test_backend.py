"""One picture from request to bytes, against the stand-in."""

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
from tests.runcomfy.conftest import Bench, picture, request, when
from tests.runcomfy.standin import REQUEST_ID, TOKEN, Reply, StandIn
from tests.support.pictures import encoded

SUBMIT = "POST /v1/models/openai/gpt-image-2/text-to-image"
EDIT = "POST /v1/models/openai/gpt-image-2/edit"
STATUS = f"GET /v1/requests/{REQUEST_ID}/status"
RESULT = f"GET /v1/requests/{REQUEST_ID}/result?include_cost=true"
CANCEL = f"POST /v1/requests/{REQUEST_ID}/cancel"


def fails(bench: Bench, **image_options: object) -> ImagegenError:
    with pytest.raises(ImagegenError) as caught:
        backend.make(request("a fox", **image_options), bench.run())
    return caught.value


def test_backend_makes_a_picture(standin: StandIn, bench: Bench) -> None:
    standin.states.extendleft(["in_progress", "in_queue 2"])
    made = load("runcomfy").make(request("a fox", resolution="4k"), bench.run())
    assert made.picture.data == standin.files["out.png"]
    assert (made.cost_usd, made.request_id, made.warnings) == (0.04, REQUEST_ID, ())
    assert (made.thread_id, made.codex_version) == (None, None)
    assert standin.lines == [SUBMIT, STATUS, STATUS, STATUS, RESULT, "GET /files/out.png"]
    assert standin.calls[0].json == {"prompt": "a fox", "resolution": "4k"}
    assert [(event.stage, event.message) for event in bench.events] == [
        ("started", None), ("queued", "position 2"), ("drawing", None), ("received", None)
    ]  # fmt: skip
    assert {event.request_id for event in bench.events} == {REQUEST_ID}


def test_backend_sends_references_in_order(standin: StandIn, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(kind="JPEG"))
    backend.make(request("edit", "https://x.test/b.png", str(tmp_path / "a.jpg")), bench.run())
    assert standin.lines[0] == EDIT
    first, second = standin.calls[0].json["images"]
    assert (first, second[:23]) == ("https://x.test/b.png", "data:image/jpeg;base64,")


def test_backend_without_token_sends_nothing(standin: StandIn, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNCOMFY_TOKEN")
    assert isinstance(fails(bench), RunComfyAuth)
    assert standin.calls == []
    token.save(token.Token(TOKEN))
    backend.make(request(), bench.run())
    assert standin.calls[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_backend_refuses_options_without_schema(standin: StandIn, bench: Bench) -> None:
    for image_options in ({"quality": "best"}, {"transparent": True}, {"size": (5, 1)}):
        assert fails(bench, **image_options).exit_code == 65
    assert standin.calls == []


def test_backend_warns_of_foreign_addresses_and_fetches_none(standin: StandIn, bench: Bench) -> None:
    with StandIn() as foreign:
        evil = f"{foreign.web}/files/out.png"
        standin.output = {"image": evil, "images": [f"{standin.web}/files/out.png", evil, "http://cdn.runcomfy.net/x"]}
        made = backend.make(request(), bench.run())
        assert foreign.calls == []
    assert [w.code for w in made.warnings] == ["foreign-url", "foreign-url"]
    assert evil in made.warnings[0].message


def test_backend_warns_of_a_reduced_reference(
    standin: StandIn, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MAX_BYTES", 400_000)
    path = tmp_path / "large.png"
    path.write_bytes(encoded(400))
    asked = request("a fox", str(path))
    made = backend.make(asked, bench.run())
    assert [w.code for w in made.warnings] == ["reference-reduced"]
    (uri,) = standin.calls[0].json["images"]
    assert len(base64.b64decode(uri.partition(",")[2])) <= 400_000
    _request_id, warnings = backend.submit_only(asked, bench.run())
    assert warnings == made.warnings
    standin.next("submit", Reply(422, {"detail": "no"}))
    with pytest.raises(ImagegenError) as caught:
        backend.make(asked, bench.run())
    assert [code for code, _message in caught.value.warnings] == ["reference-reduced"]


def test_backend_takes_the_first_of_several_pictures(standin: StandIn, bench: Bench) -> None:
    standin.files["b.png"] = picture((3, 3))
    standin.output = {"images": [f"{standin.web}/files/{name}" for name in ("b.png", "out.png", "b.png")]}
    made = backend.make(request(), bench.run())
    assert made.picture.width == 3
    assert [w.code for w in made.warnings] == ["more-pictures"]
    assert standin.lines.count("GET /files/b.png") == 1
    assert "GET /files/out.png" not in standin.lines


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
def test_output_without_address_fails_as_no_picture(standin: StandIn, bench: Bench, output: object) -> None:
    standin.next("result", Reply(200, {"status": "succeeded", "output": output}))
    error = fails(bench)
    assert (error.code, error.exit_code, error.spent) == ("no-picture", 7, True)
    assert REQUEST_ID in str(error.hint)


def test_output_with_foreign_addresses_only_fails_as_no_picture(standin: StandIn, bench: Bench) -> None:
    standin.output = {"image": "https://evil.test/a.png"}
    error = fails(bench)
    assert (error.code, error.spent) == ("no-picture", True)
    assert "https://evil.test/a.png" in error.warnings[0][1]


def test_download_cut_every_time_names_the_wait_command(standin: StandIn, bench: Bench) -> None:
    standin.next("file", *[Reply(body=picture((90, 90)), cut=40)] * 3)
    error = fails(bench)
    assert (error.exit_code, error.spent) == (75, True)
    assert f"runcomfy wait {REQUEST_ID} --out FILE" in str(error.hint)
    assert CANCEL not in standin.lines


def test_interrupt_during_download_cancels_nothing(standin: StandIn, bench: Bench) -> None:
    gate = threading.Event()
    standin.next("file", Reply(hold=gate))
    when(standin, "/files/", bench.interrupt.set)
    error = fails(bench)
    gate.set()
    assert isinstance(error, Interrupted)
    assert f"runcomfy wait {REQUEST_ID}" in str(error.hint)
    assert CANCEL not in standin.lines


def test_submit_only_and_fetch_make_a_picture_together(standin: StandIn, bench: Bench) -> None:
    assert backend.submit_only(request(), bench.run()) == (REQUEST_ID, ())
    assert standin.lines == [SUBMIT]
    assert backend.status(REQUEST_ID, bench.run()).name == "completed"
    assert backend.fetch(REQUEST_ID, bench.run()).picture.width == 8
    assert backend.cancel(REQUEST_ID, bench.run()) == "cancelled"
    assert standin.lines == [SUBMIT, STATUS, STATUS, RESULT, "GET /files/out.png", CANCEL]


def test_invalid_request_id_sends_nothing(standin: StandIn, bench: Bench) -> None:
    for call in (backend.status, backend.fetch, backend.cancel):
        with pytest.raises(ImagegenError) as caught:
            call("../../models", bench.run())  # type: ignore[operator]
        assert caught.value.exit_code == 64
    assert standin.calls == []


def test_unknown_request_id_fails_as_input(standin: StandIn, bench: Bench) -> None:
    for call in (backend.status, backend.fetch, backend.cancel):
        with pytest.raises(ImagegenError) as caught:
            call("req_other", bench.run())  # type: ignore[operator]
        assert caught.value.exit_code == 65


def test_status_is_asked_once_and_fails_plainly(standin: StandIn, bench: Bench) -> None:
    standin.next("status", Reply(503, body=b""), Reply(drop=True))
    for exit_code in (69, 75):
        with pytest.raises(ImagegenError) as caught:
            backend.status(REQUEST_ID, bench.run())
        assert caught.value.exit_code == exit_code


def test_token_is_in_no_log_and_no_traceback(standin: StandIn, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        backend.make(request(), bench.run())
        for reply in (Reply(500, {"error": TOKEN}), Reply(drop=True), Reply(401, {"detail": f"x {TOKEN}"})):
            standin.next("submit", reply)
            error = fails(bench)
            assert TOKEN not in "".join(traceback.format_exception(error)) + repr(vars(error))
    assert caplog.records
    assert TOKEN not in caplog.text


def test_concurrent_runs_are_independent(standin: StandIn, bench: Bench) -> None:
    made: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: made.append(backend.make(request(), bench.run()).request_id)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [REQUEST_ID] * 6
    assert standin.submitted == 6
