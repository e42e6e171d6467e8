"""``--backend runcomfy`` through the installed command: exit code, JSON, streams, and requests."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from codex_imagegen.runcomfy import job
from tests.runcomfy.cli import Outcome, Shell, stop_after
from tests.runcomfy.conftest import POLL_SEC, assert_cancelled_at_the_end, picture
from tests.runcomfy.fake_runcomfy import REQUEST_ID, TOKEN, FakeRunComfy, Reply

SUBMIT = "POST /v1/models/openai/gpt-image-2/text-to-image"
EDIT = "POST /v1/models/openai/gpt-image-2/edit"
STATUS = f"GET /v1/requests/{REQUEST_ID}/status"
RESULT = f"GET /v1/requests/{REQUEST_ID}/result?include_cost=true"
CANCEL = f"POST /v1/requests/{REQUEST_ID}/cancel"
FILE = "GET /files/out.png"
GOOD = [SUBMIT, STATUS, RESULT, FILE]
HTML = b"<html><body>\x1b[31m502 Bad Gateway</body></html>"
FETCH = f"codex-imagegen runcomfy wait {REQUEST_ID}"


def draw(shell: Shell, *args: str, **more: Any) -> Outcome:
    run = shell.run if more else shell.call
    return run("--backend", "runcomfy", "-p", "a fox", "-o", "fox.png", "--json", *args, **more)


def expect_error(shell: Shell, code: int, word: str, *args: str, **more: Any) -> dict[str, Any]:
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


def test_run_delivers_the_picture(shell: Shell, fake: FakeRunComfy) -> None:
    done = draw(shell)
    path = shell.work / "fox.png"
    assert (done.code, done.err) == (0, "")
    assert path.read_bytes() == fake.files["out.png"]
    envelope = done.json
    assert (envelope["ok"], envelope["backend"], envelope["error"], envelope["warnings"]) == (
        True,
        "runcomfy",
        None,
        [],
    )
    assert (envelope["cost_usd"], envelope["request_id"]) == (0.04, REQUEST_ID)
    assert (envelope["images"][0]["path"], envelope["images"][0]["original"]) == (str(path), True)
    assert fake.lines == GOOD
    assert fake.calls[0].json == {"prompt": "a fox"}
    assert [p.name for p in shell.work.iterdir()] == ["fox.png"]


def test_run_without_json_prints_only_the_path(shell: Shell, fake: FakeRunComfy) -> None:
    done = shell.run("--backend", "runcomfy", "-p", "a fox", "-o", "fox.png")
    assert (done.code, done.lines, done.err) == (0, [str(shell.work / "fox.png")], "")
    done = shell.call("--backend", "runcomfy", "-p", "a fox", "-o", "-")
    assert (done.code, done.out) == (0, fake.files["out.png"])


def test_run_polls_at_once_and_then_at_intervals(
    shell: Shell, fake: FakeRunComfy, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert POLL_SEC == 2.0
    monkeypatch.setattr(job, "POLL_SEC", 0.3)
    fake.states.extendleft(["in_progress"])
    done = draw(shell)
    assert fake.lines == [SUBMIT, STATUS, STATUS, RESULT, FILE]
    assert done.code == 0
    assert done.seconds >= 0.3


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
def test_run_sends_only_given_options(shell: Shell, fake: FakeRunComfy, args: list[str], sent: dict[str, str]) -> None:
    assert draw(shell, *args).code == 0
    assert fake.calls[0].json == {"prompt": "a fox"} | sent


def test_run_delivers_jpeg_unchanged(shell: Shell, fake: FakeRunComfy) -> None:
    fake.files["out.png"] = picture(kind="JPEG")
    done = shell.call("--backend", "runcomfy", "-p", "a", "-o", "fox.jpg", "--json")
    assert (done.code, done.json["images"][0]["original"], done.json["images"][0]["format"]) == (0, True, "jpeg")
    assert (shell.work / "fox.jpg").read_bytes() == fake.files["out.png"]
    assert fake.calls[0].json == {"prompt": "a", "output_format": "jpeg"}


def test_run_sends_references_in_order(shell: Shell, fake: FakeRunComfy, tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(picture(kind="WEBP"))
    args = ["--ref", "https://x.test/1.png", "--ref", str(tmp_path / "a.webp"), "--ref", "https://x.test/0.png"]
    assert draw(shell, *args).code == 0
    first, second, third = fake.calls[0].json["images"]
    assert (first, second[:23], third) == ("https://x.test/1.png", "data:image/webp;base64,", "https://x.test/0.png")
    assert fake.lines[0] == EDIT


def test_run_with_model_submits_to_that_model(shell: Shell, fake: FakeRunComfy) -> None:
    assert draw(shell, "--model", "google/nano-banana-2/text-to-image").code == 0
    assert fake.lines[0] == "POST /v1/models/google/nano-banana-2/text-to-image"


def test_run_with_count_submits_one_request_each(shell: Shell, fake: FakeRunComfy) -> None:
    done = draw(shell, "-n", "3")
    assert (done.code, len(done.json["images"])) == (0, 3)
    assert sorted(p.name for p in shell.work.iterdir()) == ["fox-1.png", "fox-2.png", "fox-3.png"]
    assert fake.lines.count(SUBMIT) == 3
    assert done.json["cost_usd"] == pytest.approx(0.12)


def test_failure_names_runcomfy_as_backend(shell: Shell) -> None:
    assert draw(shell, "--transparent").json["backend"] == "runcomfy"
    assert shell.call("runcomfy", "status", "../x", "--json").json["backend"] == "runcomfy"


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
def test_invalid_options_fail_without_a_request(
    shell: Shell, fake: FakeRunComfy, args: list[str], code: int, word: str
) -> None:
    assert expect_error(shell, code, word, *args)["spent"] is False
    assert fake.calls == []


def test_existing_output_fails_without_a_request(shell: Shell, fake: FakeRunComfy) -> None:
    (shell.work / "fox.png").write_bytes(b"mine")
    assert draw(shell).code == 73
    assert (fake.calls, (shell.work / "fox.png").read_bytes()) == ([], b"mine")


def test_missing_token_fails_as_runcomfy_auth(shell: Shell, fake: FakeRunComfy) -> None:
    del shell.env["RUNCOMFY_TOKEN"]
    assert "runcomfy login" in expect_error(shell, 77, "runcomfy-auth")["hint"]
    assert fake.calls == []


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
def test_failed_submit_is_not_repeated(
    shell: Shell, fake: FakeRunComfy, reply: Reply, code: int, word: str, spent: bool | None
) -> None:
    fake.next("submit", reply)
    assert expect_error(shell, code, word)["spent"] is spent
    assert fake.lines == [SUBMIT]


def test_refused_connection_fails_unspent(shell: Shell) -> None:
    shell.env["RUNCOMFY_MODEL_API_BASE"] = "http://127.0.0.1:1/v1"
    assert expect_error(shell, 75, "runcomfy-retry")["spent"] is False


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
def test_failed_job_fails_by_its_result(
    shell: Shell, fake: FakeRunComfy, value: dict[str, Any], code: int, word: str, spent: bool | None
) -> None:
    fake.next("result", Reply(200, value))
    assert expect_error(shell, code, word)["spent"] is spent
    assert fake.lines == [SUBMIT, STATUS, RESULT]


def test_transient_failures_are_retried(shell: Shell, fake: FakeRunComfy) -> None:
    fake.next("status", Reply(502, body=HTML))
    fake.next("result", Reply(drop=True))
    fake.next("file", Reply(body=picture((99, 99)), cut=30))
    assert draw(shell).code == 0
    assert fake.lines == [SUBMIT, STATUS, STATUS, RESULT, STATUS, RESULT, FILE, FILE]


# --- the download ---------------------------------------------------------------------------------------------------


def test_cut_download_is_tried_three_times(shell: Shell, fake: FakeRunComfy) -> None:
    fake.next("file", *[Reply(body=picture((99, 99)), cut=30)] * 3)
    error = expect_error(shell, 75, "runcomfy-retry")
    assert error["spent"] is True
    assert FETCH in error["hint"]
    assert fake.lines == [*GOOD, FILE, FILE]


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
def test_download_without_picture_exits_with_seven(shell: Shell, fake: FakeRunComfy, reply: Reply, word: str) -> None:
    fake.next("file", reply)
    assert expect_error(shell, 7, word)["spent"] is True
    assert fake.lines == GOOD


def test_foreign_addresses_are_warned_of_and_not_fetched(shell: Shell, fake: FakeRunComfy) -> None:
    with FakeRunComfy() as foreign:
        fake.output = {"images": [f"{foreign.web}/files/x", f"{fake.web}/files/out.png"]}
        done = draw(shell)
        assert foreign.calls == []
        assert (done.code, [w["code"] for w in done.json["warnings"]]) == (0, ["foreign-url"])
        assert foreign.web in done.json["warnings"][0]["message"]
        fake.next("file", Reply(307, body=b"", headers={"Location": f"{foreign.web}/files/x"}))
        done = draw(shell, "--force")
        assert foreign.calls == []
        assert done.code == 7
        assert [w["code"] for w in done.json["warnings"]] == ["foreign-url", "foreign-url"]


# --- stopped --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("signum", "code", "outcome"), [(signal.SIGINT, 130, "cancelled"), (signal.SIGTERM, 143, "not_cancellable")]
)
def test_signal_cancels_the_request_and_tells_its_outcome(
    shell: Shell, fake: FakeRunComfy, signum: int, code: int, outcome: str
) -> None:
    fake.states[0] = "in_queue 4"
    fake.cancel_outcome = outcome
    error = expect_error(shell, code, "interrupted", act=stop_after(fake, STATUS, signum))
    assert fake.lines == [SUBMIT, STATUS, CANCEL]
    assert REQUEST_ID in error["message"]
    assert error["spent"] is (outcome != "cancelled")
    assert (FETCH in str(error["hint"])) is (outcome != "cancelled")


def test_signal_during_submit_cancels_the_request(shell: Shell, fake: FakeRunComfy) -> None:
    gate = threading.Event()
    fake.next("submit", Reply(200, {"request_id": REQUEST_ID}, hold=gate))
    stop = stop_after(fake, SUBMIT)

    def act(process: Any) -> None:
        stop(process)
        time.sleep(0.5)  # for its signal handler, which reports nothing
        gate.set()

    assert expect_error(shell, 130, "interrupted", act=act)["spent"] is False
    assert fake.lines == [SUBMIT, CANCEL]


def test_signal_cancels_each_of_several_requests(shell: Shell, fake: FakeRunComfy) -> None:
    fake.states[0] = "in_queue 4"
    args = ["--backend", "runcomfy", "-p", "a", "-o", "a.png", "-n", "3", "--json"]
    done = shell.run(*args, act=stop_after(fake, STATUS))
    assert (done.code, done.json["error"]["code"], len(done.json["failures"])) == (130, "interrupted", 3)
    assert fake.lines.count(CANCEL) == fake.lines.count(SUBMIT) == fake.submitted
    assert list(shell.work.iterdir()) == []


def test_timeout_cancels_the_request(shell: Shell, fake: FakeRunComfy) -> None:
    fake.states[0] = "in_progress"
    fake.cancel_outcome = "not_cancellable"
    error = expect_error(shell, 75, "runcomfy-retry", "--timeout-sec", "1")
    assert FETCH in error["hint"]
    assert error["spent"] is True
    assert (fake.lines[0], set(fake.lines[1:])) == (SUBMIT, {STATUS, CANCEL})
    assert_cancelled_at_the_end(fake)


@pytest.mark.every_build
def test_timeout_during_download_names_the_wait_command(shell: Shell, fake: FakeRunComfy) -> None:
    gate = threading.Event()
    fake.next("file", Reply(hold=gate))
    error = expect_error(shell, 75, "runcomfy-retry", "--timeout-sec", "2")
    gate.set()
    assert FETCH in error["hint"]
    assert fake.lines == GOOD


# --- the token ------------------------------------------------------------------------------------------------------


def test_token_is_sent_to_the_api_only(shell: Shell, fake: FakeRunComfy) -> None:
    fake.next("file", Reply(302, body=b"", headers={"Location": "/files/out.png?2"}))
    assert draw(shell, "-v").code == 0
    with_token = [call.line for call in fake.calls if TOKEN in str(call.headers)]
    assert with_token == [SUBMIT, STATUS, RESULT]
    assert fake.lines[3:] == [FILE, FILE + "?2"]
    for root, _, names in os.walk(shell.home.parent):
        for name in names:
            assert TOKEN.encode() not in Path(root, name).read_bytes()
