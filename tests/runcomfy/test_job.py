from __future__ import annotations

import json
import threading
import time
import traceback
from collections.abc import Iterator

import pytest

from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.runcomfy import client as client_module
from codex_imagegen.runcomfy import job
from codex_imagegen.runcomfy.client import Client, Status
from codex_imagegen.runcomfy.deadline import Deadline
from codex_imagegen.runcomfy.http import Transport
from codex_imagegen.runcomfy.inputs import TEXT_TO_IMAGE, Submission
from codex_imagegen.runcomfy.token import Token
from tests.runcomfy.conftest import POLL_SEC, RunContext, assert_cancelled_at_the_end, when_requested
from tests.runcomfy.fake_runcomfy import REQUEST_ID, TOKEN, FakeRunComfy, Reply
from tests.support.error_chain import chain

ORDER = Submission(TEXT_TO_IMAGE, {"prompt": "a fox"})
HTML = b"<html><body>502 Bad Gateway</body></html>"


class Harness:
    def __init__(self, fake: FakeRunComfy, context: RunContext, seconds: float) -> None:
        self.transport = Transport()
        self.client = Client(fake.base, Token(TOKEN), self.transport)
        self.deadline = Deadline(context.interrupt, time.monotonic() + seconds)
        self.statuses: list[Status] = []

    def submit(self) -> str:
        return job.submit(self.client, ORDER, self.deadline)

    def wait(self) -> client_module.JobResult:
        with job.cancel_on_stop(self.client, REQUEST_ID, self.deadline):
            return job.wait(self.client, REQUEST_ID, self.deadline, self.statuses.append)


@pytest.fixture
def seconds() -> float:
    return 60.0


@pytest.fixture
def harness(fake: FakeRunComfy, context: RunContext, seconds: float) -> Iterator[Harness]:
    harness = Harness(fake, context, seconds)
    yield harness
    harness.transport.close()


def expect_error(call: object) -> ImagegenError:
    with pytest.raises(ImagegenError) as caught:
        call()  # type: ignore[operator]
    visible = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert TOKEN not in visible
    assert len(caught.value.message) < 1000
    return caught.value


# --- submit ---------------------------------------------------------------------------------------------------------


def test_submit_is_one_post_with_the_token(harness: Harness, fake: FakeRunComfy) -> None:
    assert harness.submit() == REQUEST_ID
    (call,) = fake.calls
    assert call.line == f"POST /v1/models/{TEXT_TO_IMAGE}"
    assert call.headers["authorization"] == f"Bearer {TOKEN}"
    assert call.json == {"prompt": "a fox"}


@pytest.mark.parametrize("status", [200, 201, 202])
def test_submit_accepts_every_success_status(harness: Harness, fake: FakeRunComfy, status: int) -> None:
    fake.next("submit", Reply(status, {"request_id": "abc"}))
    assert harness.submit() == "abc"


REFUSALS = [
    (Reply(400, {"error_code": 400004, "error_message": "bad token"}), 77, False),
    (Reply(401, body=b""), 77, False),
    (Reply(403, {"error_code": 403001}), 77, False),
    (Reply(402, {"detail": "pay"}), 7, False),
    (Reply(400, {"error_code": 400002}), 7, False),
    (Reply(400, {"error_code": 400001, "error_message": "bad id"}), 64, False),
    (Reply(404, {"error_code": 404001}), 65, False),
    (Reply(422, {"detail": [{"loc": ["prompt"], "msg": "too long"}]}), 65, False),
    (Reply(413, body=HTML), 65, False),
    (Reply(429, {"error_message": "slow down"}, headers={"Retry-After": "1"}), 75, False),
    (Reply(408, body=b""), 75, None),
    (Reply(500, body=HTML), 69, None),
    (Reply(503, {"error_code": 503000}, headers={"Retry-After": "0"}), 69, None),
    (Reply(504, body=b"\xff\xfe"), 69, None),
    (Reply(200, {"error_code": 400004, "error_message": "bad token"}), 77, False),
    (Reply(200, {"error_code": 500001, "error_message": "oops"}), 69, None),
    (Reply(200, body=HTML), 69, None),
    (Reply(200, body=b""), 69, None),
    (Reply(204, body=b""), 69, None),
    (Reply(200, []), 69, None),
    (Reply(200, {"request_id": None}), 69, None),
    (Reply(200, {"request_id": "../../evil"}), 69, None),
    (Reply(200, {"request_id": {"a": 1}}), 69, None),
    (Reply(200, body=b"[" * 300_000), 69, None),
    (Reply(200, body=b" " * (9 << 20)), 69, None),
    (Reply(302, body=b"", headers={"Location": "http://127.0.0.1:1/steal"}), 69, None),
    (Reply(307, body=b"", headers={"Location": "/v1/elsewhere"}), 69, None),
    (Reply(drop=True), 75, None),
    (Reply(reset=True), 75, None),
    (Reply(200, {"request_id": REQUEST_ID}, cut=5), 75, None),
    (Reply(200, {"request_id": REQUEST_ID}, announce="900"), 75, None),
    (Reply(raw=b"SSH-2.0-OpenSSH\r\n"), 75, None),
]


@pytest.mark.parametrize(("reply", "exit_code", "spent"), REFUSALS)
def test_failed_submit_is_not_repeated(
    harness: Harness, fake: FakeRunComfy, reply: Reply, exit_code: int, spent: bool | None
) -> None:
    fake.next("submit", reply)
    error = expect_error(harness.submit)
    assert (error.exit_code, error.spent) == (exit_code, spent)
    assert fake.lines == [f"POST /v1/models/{TEXT_TO_IMAGE}"]
    if spent is None:
        assert "before you try again" in str(error.hint)


def test_submit_to_closed_port_fails_unspent(harness: Harness, fake: FakeRunComfy) -> None:
    harness.client.base = "http://127.0.0.1:1/v1"
    error = expect_error(harness.submit)
    assert (error.exit_code, error.spent) == (75, False)
    harness.client.base = fake.base.replace("http:", "https:")
    error = expect_error(harness.submit)
    assert (error.exit_code, error.spent) == (69, False)


def test_submit_without_answer_has_unknown_cost(
    harness: Harness, fake: FakeRunComfy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "POST_SEC", 0.05)
    gate = threading.Event()
    fake.next("submit", Reply(hold=gate))
    error = expect_error(harness.submit)
    gate.set()
    assert (error.exit_code, error.spent) == (75, None)


def test_token_in_an_answer_is_hidden(harness: Harness, fake: FakeRunComfy) -> None:
    for text in (
        json.dumps({"error_message": f"no {TOKEN}"}),
        f'{{"error_message": "no {TOKEN}"}}'.replace("/", "\\/"),
    ):
        fake.next("submit", Reply(401, body=text.encode()))
        assert "(token)" in expect_error(harness.submit).message


def test_interrupt_before_submit_sends_nothing(harness: Harness, fake: FakeRunComfy, context: RunContext) -> None:
    context.interrupt.set()
    error = expect_error(harness.submit)
    assert isinstance(error, Interrupted)
    assert (error.spent, fake.calls) == (False, [])


def test_interrupt_during_submit_cancels_the_request(harness: Harness, fake: FakeRunComfy, context: RunContext) -> None:
    gate = threading.Event()
    fake.next("submit", Reply(200, {"request_id": REQUEST_ID}, hold=gate))
    when_requested(fake, "POST /v1/models", context.interrupt.set, gate.set)
    assert harness.submit() == REQUEST_ID
    error = expect_error(harness.wait)
    assert (error.exit_code, error.spent) == (130, False)
    assert fake.lines[1:] == [f"POST /v1/requests/{REQUEST_ID}/cancel"]


def test_interrupt_during_submit_without_id_has_unknown_cost(
    harness: Harness, fake: FakeRunComfy, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "GRACE_SEC", 0.05)
    gate = threading.Event()
    fake.next("submit", Reply(hold=gate))
    when_requested(fake, "POST /v1/models", context.interrupt.set)
    error = expect_error(harness.submit)
    gate.set()
    assert (error.exit_code, error.spent) == (130, None)
    assert "unknown" in error.message
    assert "before you try again" in str(error.hint)


# --- wait -----------------------------------------------------------------------------------------------------------

STATUS, RESULT = f"GET /v1/requests/{REQUEST_ID}/status", f"GET /v1/requests/{REQUEST_ID}/result?include_cost=true"


def test_wait_tells_each_change_of_state(harness: Harness, fake: FakeRunComfy) -> None:
    fake.states.extendleft(["in_progress", "in_progress", "in_queue 1", "in_queue 1", "in_queue 3"])
    finished = harness.wait()
    assert finished.cost_usd == 0.04
    assert fake.lines == [STATUS] * 6 + [RESULT]
    assert [(s.name, s.position) for s in harness.statuses] == [
        ("in_queue", 3), ("in_queue", 1), ("in_progress", None), ("completed", None)
    ]  # fmt: skip


def test_poll_interval_is_two_seconds() -> None:
    assert POLL_SEC == 2.0


@pytest.mark.parametrize("word", ["succeeded", "completed", "Completed", "SUCCEEDED"])
def test_wait_accepts_both_words_for_success(harness: Harness, fake: FakeRunComfy, word: str) -> None:
    fake.states[0] = word
    fake.next("result", Reply(200, {"status": word, "output": {"images": ["https://a.runcomfy.net/1"]}}))
    assert harness.wait().output == {"images": ["https://a.runcomfy.net/1"]}


@pytest.mark.parametrize(
    "early",
    [
        Reply(200, {"status": "in_progress"}),
        Reply(200, {"status": "in_queue", "output": None}),
        Reply(200, {"status": "post_processing"}),
        Reply(400, {"error_code": 400005, "error_message": "not ready"}),
        Reply(200, {"error_code": 400005}),
    ],
)
def test_wait_repeats_until_the_result_is_ready(harness: Harness, fake: FakeRunComfy, early: Reply) -> None:
    fake.next("result", early, early)
    assert harness.wait().cost_usd == 0.04
    assert fake.lines == [STATUS, RESULT] * 3


@pytest.mark.parametrize("word", ["completed", "failed", "cancelled", "succeeded"])
def test_result_decides_over_status(harness: Harness, fake: FakeRunComfy, word: str) -> None:
    fake.states[0] = word
    fake.next("result", Reply(200, {"status": "failed", "error": {"message": "NSFW content"}}))
    error = expect_error(harness.wait)
    assert (error.code, error.exit_code) == ("moderation", 7)
    assert harness.wait().output  # a successful result counts too, whatever /status says


@pytest.mark.parametrize(("word", "code"), [("failed", "generation-failed"), ("cancelled", "no-picture")])
def test_failed_status_without_result_fails(harness: Harness, fake: FakeRunComfy, word: str, code: str) -> None:
    fake.states[0] = word
    fake.next("result", Reply(400, {"error_code": 400005}))
    assert expect_error(harness.wait).code == code


@pytest.mark.parametrize(
    "error", ["out of memory", {"code": 5, "message": "out of memory"}, [["out of memory"]], None, 17, {}, True]
)
def test_failure_reason_is_read_from_any_shape(harness: Harness, fake: FakeRunComfy, error: object) -> None:
    fake.next("result", Reply(200, {"status": "failed", "error": error}))
    failure = expect_error(harness.wait)
    assert (failure.code, failure.exit_code, failure.spent) == ("generation-failed", 7, None)


HICCUPS = [
    Reply(429, {"error_message": "slow down"}),
    Reply(429, body=b"", headers={"Retry-After": "0"}),
    Reply(408, body=b""),
    Reply(500, body=HTML),
    Reply(502, body=HTML),
    Reply(503, {"error_code": 503000}, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    Reply(504, body=b""),
    Reply(302, body=b"", headers={"Location": "https://login.example/"}),
    Reply(200, body=HTML),
    Reply(200, body=b""),
    Reply(200, []),
    Reply(200, {"hello": 1}),
    Reply(200, {"status": 5}),
    Reply(200, {"error_code": 500000}),
    Reply(200, body=b'{"a":' * 100_000),
    Reply(200, body=b'{"status": "in_queue"' + b" " * (9 << 20) + b"}"),
    Reply(drop=True),
    Reply(reset=True),
    Reply(200, {"status": "completed"}, cut=3),
    Reply(raw=b"HTTP/1.1 20x\r\n\r\n"),
]


@pytest.mark.parametrize("route", ["status", "result"])
@pytest.mark.parametrize("reply", HICCUPS)
def test_transient_failures_are_retried(harness: Harness, fake: FakeRunComfy, reply: Reply, route: str) -> None:
    fake.next(route, reply, reply)
    assert harness.wait().cost_usd == 0.04


def test_slow_answer_is_retried(harness: Harness, fake: FakeRunComfy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "GET_SEC", 0.05)
    gate = threading.Event()
    fake.next("status", Reply(hold=gate))
    assert harness.wait().cost_usd == 0.04
    gate.set()


def test_wait_obeys_retry_after(harness: Harness, fake: FakeRunComfy) -> None:
    fake.next("status", Reply(429, body=b"", headers={"Retry-After": "1"}))
    began = time.monotonic()
    harness.wait()
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("reply", "exit_code"), [(Reply(503, body=HTML), 69), (Reply(drop=True), 75), (Reply(429, body=b""), 75)]
)
def test_lasting_failures_end_the_wait_without_cancel(
    harness: Harness, fake: FakeRunComfy, monkeypatch: pytest.MonkeyPatch, reply: Reply, exit_code: int
) -> None:
    monkeypatch.setattr(job, "MAX_FAILING_SEC", 0.05)
    fake.next("status", *[reply] * 500)
    error = expect_error(harness.wait)
    assert (error.exit_code, error.spent) == (exit_code, None)
    assert chain(error)[0] is error
    assert f"codex-imagegen runcomfy wait {REQUEST_ID}" in str(error.hint)
    assert not [line for line in fake.lines if line.startswith("POST")]


@pytest.mark.parametrize("route", ["status", "result"])
@pytest.mark.parametrize(
    ("reply", "exit_code"),
    [
        (Reply(400, {"error_code": 400004}), 77),
        (Reply(200, {"error_code": 400004}), 77),
        (Reply(401, body=HTML), 77),
        (Reply(403, {"error_code": 403001}), 77),
        (Reply(404, {"error_code": 404001}), 65),
        (Reply(400, {"error_code": 400001}), 64),
        (Reply(402, {"error_code": 400002}), 7),
    ],
)
def test_permanent_failure_ends_wait(
    harness: Harness, fake: FakeRunComfy, reply: Reply, exit_code: int, route: str
) -> None:
    fake.next(route, reply)
    error = expect_error(harness.wait)
    assert (error.exit_code, error.spent) == (exit_code, None)
    assert chain(error)[0] is error
    if exit_code in (65, 77):
        assert f"runcomfy wait {REQUEST_ID}" in str(error.hint)
    assert str(error.hint).startswith("if RunComfy still has the request, fetch it") == (exit_code == 65)


def test_result_is_asked_without_cost_if_refused(harness: Harness, fake: FakeRunComfy) -> None:
    fake.next("result", Reply(422, {"detail": "unknown parameter"}))
    assert harness.wait().cost_usd is None
    assert fake.lines == [STATUS, RESULT, RESULT.removesuffix("?include_cost=true")]


# --- stopped --------------------------------------------------------------------------------------------------------


def interrupted(harness: Harness, fake: FakeRunComfy, context: RunContext) -> ImagegenError:
    fake.states[0] = "in_queue 9"
    when_requested(fake, "/status", context.interrupt.set)
    error = expect_error(harness.wait)
    assert isinstance(error, Interrupted)
    assert fake.lines.count(f"POST /v1/requests/{REQUEST_ID}/cancel") == 1
    assert context.interrupt._hooks == []
    return error


def test_interrupt_cancels_a_queued_request(
    harness: Harness, fake: FakeRunComfy, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "POLL_SEC", 2.0)
    error = interrupted(harness, fake, context)
    assert (error.exit_code, error.spent, error.hint) == (130, False, None)
    assert f"the request {REQUEST_ID} was cancelled" in error.message


def test_interrupt_of_running_request_names_the_wait_command(
    harness: Harness, fake: FakeRunComfy, context: RunContext
) -> None:
    fake.cancel_outcome = "not_cancellable"
    error = interrupted(harness, fake, context)
    assert error.spent is True
    assert "too late" in error.message
    assert f"\ncodex-imagegen runcomfy wait {REQUEST_ID}" in str(error.hint)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(202, {}),
        Reply(202, body=HTML),
        Reply(202, {"outcome": "maybe"}),
        Reply(500, body=HTML),
        Reply(404, {"error_code": 404001}),
        Reply(200, {"error_code": 400004}),
        Reply(drop=True),
        Reply(202, {"outcome": "cancelled"}, cut=2),
        Reply(302, body=b"", headers={"Location": "/v1/x"}),
    ],
)
def test_interrupt_with_failed_cancel_costs_unknown(
    harness: Harness, fake: FakeRunComfy, context: RunContext, reply: Reply
) -> None:
    fake.next("cancel", reply)
    error = interrupted(harness, fake, context)
    assert error.spent is None
    assert "unknown" in error.message
    assert f"runcomfy status {REQUEST_ID}" in str(error.hint)


def test_hanging_cancel_is_given_up(
    harness: Harness, fake: FakeRunComfy, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "CANCEL_SEC", 0.1)
    gate = threading.Event()
    fake.next("cancel", Reply(hold=gate))
    assert interrupted(harness, fake, context).spent is None
    gate.set()


def test_second_interrupt_ends_the_cancel(harness: Harness, fake: FakeRunComfy, context: RunContext) -> None:
    gate = threading.Event()
    fake.next("cancel", Reply(hold=gate))
    when_requested(fake, "/cancel", context.interrupt.set)
    assert interrupted(harness, fake, context).spent is None
    gate.set()


def test_interrupt_ends_a_hanging_status_request(harness: Harness, fake: FakeRunComfy, context: RunContext) -> None:
    gate = threading.Event()
    fake.next("status", Reply(hold=gate))
    interrupted(harness, fake, context)
    gate.set()


@pytest.mark.parametrize("seconds", [0.2])
@pytest.mark.parametrize("outcome", ["cancelled", "not_cancellable"])
def test_deadline_cancels_the_request(harness: Harness, fake: FakeRunComfy, outcome: str) -> None:
    fake.states[0] = "in_progress"
    fake.cancel_outcome = outcome
    error = expect_error(harness.wait)
    assert (error.code, error.exit_code) == ("runcomfy-retry", 75)
    assert error.spent is (outcome != "cancelled")
    assert_cancelled_at_the_end(fake)


@pytest.mark.parametrize("seconds", [0.3])
def test_long_retry_after_ends_at_the_deadline(harness: Harness, fake: FakeRunComfy) -> None:
    fake.next("status", Reply(429, body=b"", headers={"Retry-After": "86400"}))
    assert expect_error(harness.wait).exit_code == 75


def test_interrupted_plain_wait_cancels_nothing(harness: Harness, fake: FakeRunComfy, context: RunContext) -> None:
    fake.states[0] = "in_queue"
    when_requested(fake, "/status", context.interrupt.set)
    with pytest.raises(Interrupted, match="goes on") as caught, job.keep_on_stop(REQUEST_ID):
        job.wait(harness.client, REQUEST_ID, harness.deadline, harness.statuses.append)
    assert caught.value.spent is True
    assert not [line for line in fake.lines if line.startswith("POST")]
