"""``--backend runcomfy`` through the installed command: exit code, JSON, streams, and the requests made."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from .cli import Outcome, Shell, stop_after
from .conftest import picture
from .standin import REQUEST_ID, TOKEN, Reply, StandIn

SUBMIT = "POST /v1/models/openai/gpt-image-2/text-to-image"
EDIT = "POST /v1/models/openai/gpt-image-2/edit"
STATUS = f"GET /v1/requests/{REQUEST_ID}/status"
RESULT = f"GET /v1/requests/{REQUEST_ID}/result?include_cost=true"
CANCEL = f"POST /v1/requests/{REQUEST_ID}/cancel"
FILE = "GET /files/out.png"
GOOD = [SUBMIT, STATUS, RESULT, FILE]
HTML = b"<html><body>\x1b[31m502 Bad Gateway</body></html>"
FETCH = f"codex-imagegen runcomfy wait {REQUEST_ID} --out FILE"


def draw(shell: Shell, *args: str, **more: Any) -> Outcome:
    return shell.run("--backend", "runcomfy", "-p", "a fox", "-o", "fox.png", "--json", *args, **more)


def fails(shell: Shell, code: int, word: str, *args: str, **more: Any) -> dict[str, Any]:
    done = draw(shell, *args, **more)
    error: dict[str, Any] = done.json["error"]
    assert (done.code, error["code"], error["exit_code"]) == (code, word, code), done
    assert (done.json["ok"], done.json["images"]) == (False, [])
    assert done.json["failures"][0]["error"] == error
    assert done.err.startswith("codex-imagegen: ")
    assert done.err.rstrip("\n").isprintable()
    assert list(shell.work.iterdir()) == []
    return error


# --- a picture ------------------------------------------------------------------------------------------------------


def test_a_prompt_becomes_a_picture(shell: Shell, standin: StandIn) -> None:
    done = draw(shell)
    path = shell.work / "fox.png"
    assert (done.code, done.err) == (0, "")
    assert path.read_bytes() == standin.files["out.png"]
    found = done.json
    assert (found["ok"], found["backend"], found["error"], found["warnings"]) == (True, "runcomfy", None, [])
    assert (found["cost_usd"], found["request_id"]) == (0.04, REQUEST_ID)
    assert (found["images"][0]["path"], found["images"][0]["original"]) == (str(path), True)
    assert standin.lines == GOOD
    assert standin.calls[0].json == {"prompt": "a fox"}
    assert [p.name for p in shell.work.iterdir()] == ["fox.png"]


def test_without_json_stdout_has_the_path_alone(shell: Shell, standin: StandIn) -> None:
    done = shell.run("--backend", "runcomfy", "-p", "a fox", "-o", "fox.png")
    assert (done.code, done.lines, done.err) == (0, [str(shell.work / "fox.png")], "")
    done = shell.run("--backend", "runcomfy", "-p", "a fox", "-o", "-")
    assert (done.code, done.out) == (0, standin.files["out.png"])


def test_it_polls_at_once_and_then_every_two_seconds(shell: Shell, standin: StandIn) -> None:
    standin.states.extendleft(["in_progress"])
    done = draw(shell)
    assert standin.lines == [SUBMIT, STATUS, STATUS, RESULT, FILE]
    assert done.code == 0
    assert done.seconds >= 2


@pytest.mark.parametrize(
    ("args", "sent"),
    [
        (["--aspect-ratio", "21:9"], {"aspect_ratio": "21:9"}),
        (["--resolution", "4k", "--quality", "high"], {"resolution": "4k", "quality": "high"}),
        (["--size", "1024x1536"], {"aspect_ratio": "2:3"}),
        (["--size", "1024_1536"], {"aspect_ratio": "2:3"}),
        (["--size", "1536_1024"], {"aspect_ratio": "3:2"}),
        (["--size", "3840x2160"], {"aspect_ratio": "16:9"}),
        (["--size", "auto"], {}),
        (["--format", "png"], {"output_format": "png"}),
    ],
)
def test_only_what_was_asked_for_is_sent(shell: Shell, standin: StandIn, args: list[str], sent: dict[str, str]) -> None:
    assert draw(shell, *args).code == 0
    assert standin.calls[0].json == {"prompt": "a fox"} | sent


def test_jpeg_comes_as_it_was_made(shell: Shell, standin: StandIn) -> None:
    standin.files["out.png"] = picture(kind="JPEG")
    done = shell.run("--backend", "runcomfy", "-p", "a", "-o", "fox.jpg", "--json")
    assert (done.code, done.json["images"][0]["original"], done.json["images"][0]["format"]) == (0, True, "jpeg")
    assert (shell.work / "fox.jpg").read_bytes() == standin.files["out.png"]
    assert standin.calls[0].json == {"prompt": "a", "output_format": "jpeg"}


def test_references_go_in_the_order_given(shell: Shell, standin: StandIn, tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(picture(kind="WEBP"))
    args = ["--ref", "https://x.test/1.png", "--ref", str(tmp_path / "a.webp"), "--ref", "https://x.test/0.png"]
    assert draw(shell, *args).code == 0
    first, second, third = standin.calls[0].json["images"]
    assert (first, second[:23], third) == ("https://x.test/1.png", "data:image/webp;base64,", "https://x.test/0.png")
    assert standin.lines[0] == EDIT


def test_another_model_is_asked_by_its_name(shell: Shell, standin: StandIn) -> None:
    assert draw(shell, "--model", "google/nano-banana-2/text-to-image").code == 0
    assert standin.lines[0] == "POST /v1/models/google/nano-banana-2/text-to-image"


def test_several_pictures_are_a_request_each(shell: Shell, standin: StandIn) -> None:
    done = draw(shell, "-n", "3")
    assert (done.code, len(done.json["images"])) == (0, 3)
    assert sorted(p.name for p in shell.work.iterdir()) == ["fox-1.png", "fox-2.png", "fox-3.png"]
    assert standin.lines.count(SUBMIT) == 3
    assert done.json["cost_usd"] == pytest.approx(0.12)


def test_a_failure_names_its_backend(shell: Shell) -> None:
    assert draw(shell, "--transparent").json["backend"] == "runcomfy"
    assert shell.run("runcomfy", "status", "../x", "--json").json["backend"] == "runcomfy"


# --- refused before anything is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        (["--aspect-ratio", "2:1"], 65, "runcomfy-input"),
        (["--size", "1000x1"], 65, "runcomfy-input"),
        (["--transparent"], 65, "runcomfy-input"),
        (["--size", "1024x1024", "--aspect-ratio", "2:3"], 65, "runcomfy-input"),
        (["--model", "gpt-image-2"], 64, "runcomfy-usage"),
        (["--model", "a/../b"], 64, "runcomfy-usage"),
        (["--ref", "http://x.test/a.png"], 65, "runcomfy-input"),
        (["--ref", "missing.png"], 4, "ref-missing"),
        (["--ref", "https://x.test/a.png"] * 11, 2, "usage"),
        (["--model", "openai/gpt-image-2/edit"], 65, "runcomfy-input"),
    ],
)
def test_what_can_be_refused_is_refused_here(
    shell: Shell, standin: StandIn, args: list[str], code: int, word: str
) -> None:
    assert fails(shell, code, word, *args)["spent"] is False
    assert standin.calls == []


def test_an_output_that_is_taken_sends_nothing(shell: Shell, standin: StandIn) -> None:
    (shell.work / "fox.png").write_bytes(b"mine")
    assert draw(shell).code == 73
    assert (standin.calls, (shell.work / "fox.png").read_bytes()) == ([], b"mine")


def test_nobody_is_signed_in(shell: Shell, standin: StandIn) -> None:
    del shell.env["RUNCOMFY_TOKEN"]
    assert "runcomfy login" in fails(shell, 77, "runcomfy-auth")["hint"]
    assert standin.calls == []


# --- every answer of the submit -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code", "word", "spent"),
    [
        (Reply(400, {"error_code": 400004, "error_message": "expired"}), 77, "runcomfy-auth", False),
        (Reply(401, body=HTML), 77, "runcomfy-auth", False),
        (Reply(403, {"error_code": 403001}), 77, "runcomfy-auth", False),
        (Reply(200, {"error_code": 400004}), 77, "runcomfy-auth", False),
        (Reply(402, body=b""), 7, "usage-limit", False),
        (Reply(400, {"error_code": 400002}), 7, "usage-limit", False),
        (Reply(404, {"error_code": 404001}), 65, "runcomfy-input", False),
        (Reply(422, {"detail": [{"msg": "no"}]}), 65, "runcomfy-input", False),
        (Reply(429, {"error_message": f"for {TOKEN}"}), 75, "runcomfy-retry", False),
        (Reply(408, body=b""), 75, "runcomfy-retry", None),
        (Reply(500, body=HTML), 69, "runcomfy-upstream", None),
        (Reply(503, {"error": {"deep": ["\x1b[2J\u202e"] * 999}}), 69, "runcomfy-upstream", None),
        (Reply(200, body=HTML), 69, "runcomfy-upstream", None),
        (Reply(200, body=b"[" * 300_000), 69, "runcomfy-upstream", None),
        (Reply(200, {"request_id": "../x"}), 69, "runcomfy-upstream", None),
        (Reply(302, body=b"", headers={"Location": "/v1/steal"}), 69, "runcomfy-upstream", None),
        (Reply(drop=True), 75, "runcomfy-retry", None),
        (Reply(200, {"request_id": REQUEST_ID}, cut=4), 75, "runcomfy-retry", None),
    ],
)
def test_a_submit_is_never_repeated(
    shell: Shell, standin: StandIn, reply: Reply, code: int, word: str, spent: bool | None
) -> None:
    standin.next("submit", reply)
    assert fails(shell, code, word)["spent"] is spent
    assert standin.lines == [SUBMIT]


def test_where_nobody_listens_nothing_is_spent(shell: Shell) -> None:
    shell.env["RUNCOMFY_MODEL_API_BASE"] = "http://127.0.0.1:1/v1"
    assert fails(shell, 75, "runcomfy-retry")["spent"] is False


# --- every end of the job -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code", "word", "spent"),
    [
        ({"status": "failed", "error": "out of memory"}, 7, "generation-failed", None),
        ({"status": "failed", "error": {"m": ["blocked by moderation"]}, "cost": 0}, 7, "moderation", False),
        ({"status": "failed"}, 7, "generation-failed", None),
        ({"status": "cancelled"}, 7, "no-picture", None),
        ({"status": "succeeded", "output": {}}, 7, "no-picture", True),
        ({"status": "completed", "output": {"image": "https://evil.test/a.png"}}, 7, "no-picture", True),
        ({"error_code": 400004}, 77, "runcomfy-auth", None),
        ({"error_code": 404001}, 65, "runcomfy-input", None),
    ],
)
def test_the_result_decides(
    shell: Shell, standin: StandIn, value: dict[str, Any], code: int, word: str, spent: bool | None
) -> None:
    standin.next("result", Reply(200, value))
    assert fails(shell, code, word)["spent"] is spent
    assert standin.lines == [SUBMIT, STATUS, RESULT]


def test_hiccups_are_got_over(shell: Shell, standin: StandIn) -> None:
    standin.next("status", Reply(502, body=HTML))
    standin.next("result", Reply(drop=True))
    standin.next("file", Reply(body=picture((99, 99)), cut=30))
    assert draw(shell).code == 0
    assert standin.lines == [SUBMIT, STATUS, STATUS, RESULT, STATUS, RESULT, FILE, FILE]


# --- the download ---------------------------------------------------------------------------------------------------


def test_a_cut_download_is_tried_three_times(shell: Shell, standin: StandIn) -> None:
    standin.next("file", *[Reply(body=picture((99, 99)), cut=30)] * 3)
    error = fails(shell, 75, "runcomfy-retry")
    assert error["spent"] is True
    assert FETCH in error["hint"]
    assert standin.lines == [*GOOD, FILE, FILE]


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(body=HTML), "damaged-picture"),
        (Reply(body=picture((99, 99))[:-40]), "damaged-picture"),
        (Reply(404, body=HTML), "no-picture"),
        (Reply(body=b"", announce=str(3 << 30)), "no-picture"),
        (Reply(302, body=b"", headers={"Location": "https://evil.test/a.png"}), "no-picture"),
        (Reply(302, body=b"", headers={"Location": "file:///etc/passwd"}), "no-picture"),
    ],
)
def test_what_is_no_picture_is_seven(shell: Shell, standin: StandIn, reply: Reply, word: str) -> None:
    standin.next("file", reply)
    assert fails(shell, 7, word)["spent"] is True
    assert standin.lines == GOOD


def test_foreign_addresses_are_listed_and_never_fetched(shell: Shell, standin: StandIn) -> None:
    with StandIn() as foreign:
        standin.output = {"images": [f"{foreign.web}/files/x", f"{standin.web}/files/out.png"]}
        done = draw(shell)
        assert foreign.calls == []
        assert (done.code, [w["code"] for w in done.json["warnings"]]) == (0, ["foreign-url"])
        assert foreign.web in done.json["warnings"][0]["message"]
        standin.next("file", Reply(307, body=b"", headers={"Location": f"{foreign.web}/files/x"}))
        done = draw(shell, "--force")
        assert foreign.calls == []
        assert done.code == 7
        assert [w["code"] for w in done.json["warnings"]] == ["foreign-url", "foreign-url"]


# --- stopped --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("outcome", ["cancelled", "not_cancellable"])
def test_a_signal_cancels_and_says_what_became_of_it(
    shell: Shell, standin: StandIn, signum: int, code: int, outcome: str
) -> None:
    standin.states[0] = "in_queue 4"
    standin.cancel_outcome = outcome
    when: list[float] = []
    stop = stop_after(standin, STATUS, signum)
    error = fails(
        shell, code, "interrupted", act=lambda process: (stop(process), when.append(time.monotonic()))[0]
    )  # fmt: skip
    assert time.monotonic() - when[0] < 2
    assert standin.lines == [SUBMIT, STATUS, CANCEL]
    assert REQUEST_ID in error["message"]
    assert error["spent"] is (outcome != "cancelled")
    assert (FETCH in str(error["hint"])) is (outcome != "cancelled")


def test_a_signal_during_the_submit_cancels_what_was_submitted(shell: Shell, standin: StandIn) -> None:
    gate = threading.Event()
    standin.next("submit", Reply(200, {"request_id": REQUEST_ID}, hold=gate))
    stop = stop_after(standin, SUBMIT)

    def act(process: Any) -> None:
        stop(process)
        time.sleep(0.3)
        gate.set()

    assert fails(shell, 130, "interrupted", act=act)["spent"] is False
    assert standin.lines == [SUBMIT, CANCEL]


def test_a_signal_cancels_each_of_several(shell: Shell, standin: StandIn) -> None:
    standin.states[0] = "in_queue 4"
    args = ["--backend", "runcomfy", "-p", "a", "-o", "a.png", "-n", "3", "--json"]
    done = shell.run(*args, act=stop_after(standin, STATUS))
    assert (done.code, done.json["error"]["code"], len(done.json["failures"])) == (130, "interrupted", 3)
    assert standin.lines.count(CANCEL) == standin.lines.count(SUBMIT) == standin.submitted
    assert list(shell.work.iterdir()) == []


def test_a_timeout_cancels_too(shell: Shell, standin: StandIn) -> None:
    standin.states[0] = "in_progress"
    standin.cancel_outcome = "not_cancellable"
    error = fails(shell, 75, "runcomfy-retry", "--timeout-sec", "1")
    assert FETCH in error["hint"]
    assert error["spent"] is True
    assert standin.lines == [SUBMIT, STATUS, CANCEL]


def test_a_timeout_during_the_download_says_how_to_fetch_it(shell: Shell, standin: StandIn) -> None:
    gate = threading.Event()
    standin.next("file", Reply(hold=gate))
    error = fails(shell, 75, "runcomfy-retry", "--timeout-sec", "2")
    gate.set()
    assert FETCH in error["hint"]
    assert standin.lines == GOOD


# --- the token ------------------------------------------------------------------------------------------------------


def test_the_token_goes_to_the_api_alone(shell: Shell, standin: StandIn) -> None:
    standin.next("file", Reply(302, body=b"", headers={"Location": "/files/out.png?2"}))
    assert draw(shell, "-v").code == 0
    with_token = [call.line for call in standin.calls if TOKEN in str(call.headers)]
    assert with_token == [SUBMIT, STATUS, RESULT]
    assert standin.lines[3:] == [FILE, FILE + "?2"]
    for root, _, names in os.walk(shell.home.parent):
        for name in names:
            assert TOKEN.encode() not in Path(root, name).read_bytes()
