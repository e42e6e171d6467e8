"""``codex-imagegen runcomfy`` through the installed command: exit code, streams, JSON, and requests."""

from __future__ import annotations

import json
import signal
import stat
import sys
from pathlib import Path

import pytest

from codex_imagegen.cli import console
from tests.runcomfy.cli import Shell, stop_after
from tests.runcomfy.fake_runcomfy import REQUEST_ID, TOKEN, FakeRunComfy, Reply

STATUS = f"GET /v1/requests/{REQUEST_ID}/status"
RESULT = f"GET /v1/requests/{REQUEST_ID}/result?include_cost=true"
CANCEL = f"POST /v1/requests/{REQUEST_ID}/cancel"
FILE = "GET /files/out.png"
WAIT = f"codex-imagegen runcomfy wait {REQUEST_ID}"
KEYS = {
    "schema", "ok", "backend", "images", "failures", "error", "thread_id", "codex_version", "elapsed_sec", "warnings",
    "dry_run", "planned", "last",
}  # fmt: skip


def test_status_prints_the_state_of_a_request(shell: Shell, fake: FakeRunComfy) -> None:
    fake.states[0] = "in_queue 3"
    done = shell.run("runcomfy", "status", REQUEST_ID)
    assert (done.code, done.lines, done.err) == (0, ["in_queue (position 3)"], "")
    done = shell.call("runcomfy", "status", REQUEST_ID, "--json")
    assert done.code == 0
    assert done.json.keys() >= KEYS | {"request_id", "status", "queue_position"}
    assert (done.json["ok"], done.json["backend"], done.json["status"]) == (True, "runcomfy", "in_queue")
    assert done.json["queue_position"] == 3
    assert fake.lines == [STATUS] * 2


@pytest.mark.parametrize(
    ("reply", "code", "word"),
    [
        (Reply(400, {"error_code": 400004}), 77, "runcomfy-auth"),
        (Reply(404, {"error_code": 404001}), 65, "runcomfy-input"),
        (Reply(400, {"error_code": 400001}), 64, "runcomfy-usage"),
        (Reply(503, body=b"<html>\x1b[31m"), 69, "runcomfy-upstream"),
        (Reply(429, {"error_message": "a\x1b[2Jb\u202ec\nd"}), 75, "runcomfy-retry"),
        (Reply(drop=True), 75, "runcomfy-retry"),
        (Reply(200, {"error_code": 500123}), 69, "runcomfy-upstream"),
        (Reply(200, body=b"[" * 300_000), 69, "runcomfy-upstream"),
    ],
)
def test_failed_status_has_its_code_and_one_sentence(
    shell: Shell, fake: FakeRunComfy, reply: Reply, code: int, word: str
) -> None:
    fake.next("status", reply)
    done = shell.call("runcomfy", "status", REQUEST_ID, "--json")
    assert (done.code, done.json["error"]["code"], done.json["error"]["exit_code"]) == (code, word, code)
    assert done.json.keys() >= KEYS
    assert done.err.startswith("codex-imagegen: ")
    assert done.err.count("\n") == 1
    assert done.err.rstrip("\n").isprintable()
    assert fake.lines == [STATUS]


def test_invalid_request_id_fails_without_a_request(shell: Shell, fake: FakeRunComfy) -> None:
    for verb in ("status", "wait", "cancel"):
        done = shell.call("runcomfy", verb, "../../models/x", "--json")
        assert (done.code, done.json["error"]["code"]) == (64, "runcomfy-usage")
    assert fake.calls == []
    assert list(shell.work.iterdir()) == []


@pytest.mark.parametrize(
    "args",
    [[], ["fly"], ["status"], ["status", "a", "b"], ["status", "a", "--wrong"], ["wait", "a", "--timeout-sec", "x"]],
)
def test_wrong_arguments_exit_with_two(shell: Shell, fake: FakeRunComfy, args: list[str]) -> None:
    done = shell.call("runcomfy", *args, "--json")
    assert (done.code, done.json["error"]["code"]) == (2, "usage")
    assert shell.call("runcomfy", *args).code == 2
    assert fake.calls == []


def test_every_subcommand_has_help(shell: Shell) -> None:
    done = shell.call("runcomfy", "--help")
    assert done.code == 0
    for verb in ("status", "wait", "cancel", "login", "logout"):
        assert verb in done.out.decode()
        assert shell.call("runcomfy", verb, "-h").code == 0


def test_wait_writes_the_picture_to_out(shell: Shell, fake: FakeRunComfy) -> None:
    done = shell.call("runcomfy", "wait", REQUEST_ID, "--out", "new/fox.png")
    path = shell.work / "new" / "fox.png"
    assert (done.code, done.lines, done.err) == (0, [str(path)], "")
    assert path.read_bytes() == fake.files["out.png"]
    assert fake.lines == [STATUS, RESULT, FILE]
    done = shell.call("runcomfy", "wait", REQUEST_ID, "--out", "new/fox.png", "--json")
    assert (done.code, done.json["error"]["code"]) == (73, "out-exists")
    assert len(fake.calls) == 3  # refused before anything was sent
    done = shell.call("runcomfy", "wait", REQUEST_ID, "--out", "new/fox.png", "--force", "--json")
    assert (done.code, done.json["images"][0]["path"], done.json["backend"]) == (0, str(path), "runcomfy")
    done = shell.call("runcomfy", "wait", REQUEST_ID, "--out", "-")
    assert (done.code, done.out) == (0, fake.files["out.png"])
    assert [p.name for p in path.parent.iterdir()] == ["fox.png"]


def test_wait_without_a_name_writes_an_image(shell: Shell, fake: FakeRunComfy) -> None:
    """The prompt is not known here."""
    paths = [shell.call("runcomfy", "wait", REQUEST_ID, *where).lines for where in ([], ["--out", "./"])]
    assert paths == [[str(shell.work / "image.png")], [str(shell.work / "image-2.png")]]


def test_wait_with_open_tries_to_open_the_picture(shell: Shell, fake: FakeRunComfy) -> None:
    done = shell.call("runcomfy", "wait", REQUEST_ID, "--out", "fox.png", "--open", "--json")
    assert (done.code, [warning["code"] for warning in done.json["warnings"]]) == (0, ["not-opened"])


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_wait_and_leaves_the_request(shell: Shell, fake: FakeRunComfy, signum: int, code: int) -> None:
    fake.states[0] = "in_queue 1"
    stop = stop_after(fake, STATUS, signum)
    done = shell.run("runcomfy", "wait", REQUEST_ID, "--out", "fox.png", "--json", act=stop)
    assert (done.code, done.json["error"]["code"]) == (code, "interrupted")
    fetch = f"codex-imagegen runcomfy wait {REQUEST_ID} --out {shell.work / 'fox.png'}"
    assert done.json["error"]["hint"] == f"fetch it with:\n{fetch}"
    assert done.json["error"]["message"].startswith(("interrupted; ", "terminated; "))
    assert set(fake.lines) == {STATUS}
    assert list(shell.work.iterdir()) == []


def test_timeout_ends_wait_and_leaves_the_request(shell: Shell, fake: FakeRunComfy) -> None:
    fake.states[0] = "in_progress"
    done = shell.call("runcomfy", "wait", REQUEST_ID, "--out", "fox.png", "--json", "--timeout-sec", "1")
    assert (done.code, done.json["error"]["code"]) == (75, "runcomfy-retry")
    assert set(fake.lines) == {STATUS}


@pytest.mark.parametrize("outcome", ["cancelled", "not_cancellable"])
def test_cancel_tells_whether_it_cancelled(shell: Shell, fake: FakeRunComfy, outcome: str) -> None:
    fake.cancel_outcome = outcome
    done = shell.call("runcomfy", "cancel", REQUEST_ID)
    assert (done.code, done.lines) == (0, [outcome])
    assert shell.call("runcomfy", "cancel", REQUEST_ID, "--json").json["outcome"] == outcome
    assert fake.lines == [CANCEL] * 2


def test_cancel_without_answer_fails_as_retry(shell: Shell, fake: FakeRunComfy) -> None:
    fake.next("cancel", Reply(202, body=b"<html>"))
    done = shell.call("runcomfy", "cancel", REQUEST_ID, "--json")
    assert (done.code, done.json["error"]["spent"]) == (75, None)


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_columns", lambda: 80)


@pytest.mark.usefixtures("on_terminal")
@pytest.mark.parametrize(("state", "expected"), [
    ("in_queue 3", f"wait for the picture with:\n  {WAIT}\nor cancel it with:\n  {WAIT.replace('wait', 'cancel')}\n"),
    ("in_progress", f"wait for the picture with:\n  {WAIT}\n"), ("completed", f"fetch the picture with:\n  {WAIT}\n"),
    ("failed", f"see why with:\n  {WAIT}\n"),
    ("cancelled", "it was cancelled and makes no picture: submit a new one\n"),
])  # fmt: skip
def test_status_on_a_terminal_says_what_to_type_next(
    shell: Shell, fake: FakeRunComfy, state: str, expected: str
) -> None:
    fake.states[0] = state
    done = shell.call("runcomfy", "status", REQUEST_ID)
    assert (done.code, done.err) == (0, f"hint: {expected}")
    assert shell.call("runcomfy", "status", REQUEST_ID, "--json").err == ""


@pytest.mark.usefixtures("on_terminal")
def test_late_cancel_on_a_terminal_says_how_to_wait(shell: Shell, fake: FakeRunComfy) -> None:
    fake.cancel_outcome = "not_cancellable"
    done = shell.call("runcomfy", "cancel", REQUEST_ID)
    assert done.err == f"hint: it is too late to cancel it; wait for the picture with:\n  {WAIT}\n"


@pytest.mark.usefixtures("on_terminal")
def test_no_wait_on_a_terminal_says_how_to_wait(shell: Shell, fake: FakeRunComfy) -> None:
    fox = ("-p", "a fox", "--backend", "runcomfy", "--no-wait")
    done = shell.call(*fox)
    assert (done.code, done.lines, done.err) == (0, [REQUEST_ID], f"hint: wait for the picture with:\n  {WAIT}\n")
    assert shell.call(*fox, "--json").err == shell.call(*fox, "--quiet").err == ""
    fake.next("submit", *(Reply(200, {"request_id": f"req_{n}"}) for n in range(9)))
    assert shell.call(*fox, "-n", "9").err.endswith("with:\n  codex-imagegen runcomfy wait ID\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a Linux device")
def test_ids_that_stdout_could_not_take_are_in_the_message(shell: Shell) -> None:
    line = '"$@" -m codex_imagegen -p "a fox" --backend runcomfy --no-wait > /dev/full'
    done = shell.run_argv(["/bin/sh", "-c", line, "sh", sys.executable], env=shell.env)
    assert done.code == 73
    assert f"submitted: {REQUEST_ID}, but stdout can't be written: No space left on device. " in done.err
    assert f"(wait for the picture with: {WAIT})" in done.err


# --- signing in -----------------------------------------------------------------------------------------------------


@pytest.fixture
def signed_out(shell: Shell) -> Shell:
    del shell.env["RUNCOMFY_TOKEN"]
    return shell


def test_login_writes_the_token_into_a_private_file(signed_out: Shell, fake: FakeRunComfy) -> None:
    done = signed_out.call("runcomfy", "login")
    assert (done.code, done.out) == (0, b"")
    assert f"{fake.web}/cli?code=ABCD-1234" in done.err
    assert "ABCD-1234" in done.err
    path = signed_out.home / ".config" / "runcomfy" / "token.json"
    assert json.loads(path.read_text())["access_token"] == TOKEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert signed_out.call("runcomfy", "status", REQUEST_ID).code == 0
    assert fake.calls[-1].headers["authorization"] == f"Bearer {TOKEN}"
    path.chmod(0o644)
    done = signed_out.call("runcomfy", "status", REQUEST_ID, "--json")
    assert (done.code, done.json["error"]["hint"]) == (77, f"make it private with:\nchmod 600 {path}")
    done = signed_out.call("runcomfy", "logout", "--json")
    assert (done.code, done.json["token_file"], path.exists()) == (0, str(path), False)
    assert "not signed in" in signed_out.call("runcomfy", "logout").err


def test_denied_login_writes_no_token(signed_out: Shell, fake: FakeRunComfy) -> None:
    fake.polls[0] = {"status": "denied"}
    done = signed_out.call("runcomfy", "login", "--json")
    assert (done.code, done.json["error"]["code"]) == (77, "runcomfy-auth")
    assert list(signed_out.home.iterdir()) == []


def test_signal_ends_login(signed_out: Shell, fake: FakeRunComfy) -> None:
    fake.polls[0] = {"status": "pending"}
    done = signed_out.run("runcomfy", "login", act=stop_after(fake, "POST /api/cli-auth/poll"))
    assert done.code == 130
    assert done.err.endswith("\ncodex-imagegen: interrupted.\n")
    assert list(signed_out.home.iterdir()) == []


def test_logout_mentions_the_token_variable(shell: Shell, fake: FakeRunComfy) -> None:
    assert "RUNCOMFY_TOKEN is set" in shell.call("runcomfy", "logout").err


@pytest.mark.parametrize("token", ["tok en", "tok\nX-Evil: 1", "tök"])
def test_malformed_token_is_refused_and_not_shown(shell: Shell, fake: FakeRunComfy, token: str) -> None:
    shell.env["RUNCOMFY_TOKEN"] = token
    done = shell.call("runcomfy", "status", REQUEST_ID, "--json")
    assert (done.code, fake.calls) == (77, [])
    assert "Evil" not in done.err
    assert "tok" not in done.err.replace("token", "")


def test_insecure_base_url_is_refused(shell: Shell) -> None:
    shell.env["RUNCOMFY_MODEL_API_BASE"] = "http://model-api.runcomfy.net/v1"
    assert shell.call("runcomfy", "status", REQUEST_ID, "--json").code == 64


def test_config_folder_variable_moves_the_token(signed_out: Shell, fake: FakeRunComfy, tmp_path: Path) -> None:
    signed_out.env["RUNCOMFY_CONFIG_DIR"] = str(tmp_path / "elsewhere")
    assert signed_out.call("runcomfy", "login").code == 0
    assert (tmp_path / "elsewhere" / "token.json").exists()
    assert signed_out.call("runcomfy", "status", REQUEST_ID).code == 0


def test_events_of_wait_name_the_request(shell: Shell, fake: FakeRunComfy) -> None:
    fake.states.extendleft(["in_progress", "in_queue 2"])
    done = shell.call("runcomfy", "wait", REQUEST_ID, "--out", "fox.png", "--events")
    assert [(line["event"], line["message"]) for line in done.events] == [
        ("started", None), ("queued", "position 2"), ("drawing", None), ("received", None), ("written", None),
        ("done", None),
    ]  # fmt: skip
    assert {line["request_id"] for line in done.events[:-1]} == {REQUEST_ID}
    assert done.events[-2]["path"] == str(shell.work / "fox.png")
