from __future__ import annotations

import threading
import traceback

import pytest

from codex_imagegen.errors import ImagegenError, Interrupted
from codex_imagegen.runcomfy import login
from codex_imagegen.runcomfy.login import DeviceCode, Login
from tests.runcomfy.conftest import RunContext
from tests.runcomfy.fake_runcomfy import TOKEN, FakeRunComfy, Reply

HTML = b"<html>maintenance</html>"


def sign_in(fake: FakeRunComfy, context: RunContext, shown_codes: list[DeviceCode] | None = None) -> str:
    token = Login(fake.web, context.interrupt).run((shown_codes if shown_codes is not None else []).append)
    return token.header()["Authorization"]


def expect_error(fake: FakeRunComfy, context: RunContext) -> ImagegenError:
    with pytest.raises(ImagegenError) as caught:
        sign_in(fake, context)
    assert caught.value.spent is False
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_login_shows_the_code_and_returns_the_token(fake: FakeRunComfy, context: RunContext) -> None:
    fake.polls.extendleft([{"status": "pending"}] * 3)
    fake.next(
        "start", Reply(200, {"device_code": "device-code-1", "user_code": "AB-12", "verify_url": "https://x.test/cli"})
    )
    shown_codes: list[DeviceCode] = []
    assert sign_in(fake, context, shown_codes) == f"Bearer {TOKEN}"
    assert [(code.verify_url, code.user_code) for code in shown_codes] == [("https://x.test/cli", "AB-12")]
    assert "device-code-1" not in repr(shown_codes)
    assert fake.lines == ["POST /api/cli-auth/start"] + ["POST /api/cli-auth/poll"] * 4
    assert all("authorization" not in call.headers for call in fake.calls)


def test_login_polls_at_once(fake: FakeRunComfy, context: RunContext) -> None:
    fake.next(
        "start",
        Reply(
            200,
            {
                "device_code": "device-code-1",
                "user_code": "A",
                "verify_url": "https://x.test",
                "poll_interval": 600,
            },
        ),
    )
    sign_in(fake, context)  # with a pause before the first poll, this would take ten minutes


@pytest.mark.parametrize(("status", "words"), [("denied", "denied"), ("expired", "in time")])
@pytest.mark.parametrize("http", [200, 410])
def test_denied_and_expired_logins_differ(
    fake: FakeRunComfy, context: RunContext, status: str, words: str, http: int
) -> None:
    fake.next("poll", Reply(http, {"status": status}))
    error = expect_error(fake, context)
    assert error.exit_code == 77
    assert words in error.message
    assert "sign in again with:\ncodex-imagegen runcomfy login" in str(error.hint)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(503, body=HTML),
        Reply(429, body=b""),
        Reply(drop=True),
        Reply(200, body=HTML),
        Reply(200, []),
        Reply(200, {"status": "slow_down"}),
        Reply(202, {"status": "pending"}),
        Reply(200, body=b"[" * 200_000),
    ],
)
def test_transient_poll_failure_is_retried(
    fake: FakeRunComfy, context: RunContext, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "_between", lambda value, low, high, default: default)
    fake.next("poll", reply, reply)
    assert sign_in(fake, context) == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("reply", "exit_code"),
    [
        (Reply(410, body=HTML), 77),
        (Reply(400, {"error": "x"}), 65),
        (Reply(403, body=b""), 77),
        (Reply(404, body=HTML), 65),
    ],
)
def test_refused_poll_ends_the_login(fake: FakeRunComfy, context: RunContext, reply: Reply, exit_code: int) -> None:
    fake.next("poll", reply)
    assert expect_error(fake, context).exit_code == exit_code


@pytest.mark.parametrize("access_token", [None, "", 5, "to ken", "tok\r\nX: y", ["a"]])
def test_malformed_token_from_login_is_refused(fake: FakeRunComfy, context: RunContext, access_token: object) -> None:
    fake.next("poll", Reply(200, {"status": "authorized", "access_token": access_token}))
    assert expect_error(fake, context).exit_code == 77


GOOD = {"device_code": "device-code-1", "user_code": "A", "verify_url": "https://x.test"}


@pytest.mark.parametrize(
    ("reply", "exit_code"),
    [
        (Reply(500, body=HTML), 69),
        (Reply(429, body=b""), 75),
        (Reply(404, body=HTML), 65),
        (Reply(200, body=HTML), 69),
        (Reply(200, {}), 69),
        (Reply(200, GOOD | {"device_code": 5}), 69),
        (Reply(200, GOOD | {"user_code": ""}), 69),
        (Reply(200, GOOD | {"verify_url": "http://x.test"}), 69),
        (Reply(200, GOOD | {"verify_url": "javascript:alert(1)"}), 69),
        (Reply(200, GOOD | {"verify_url": "https://x.test/\x1b[2J"}), 69),
        (Reply(302, body=b"", headers={"Location": "https://evil.test"}), 69),
        (Reply(drop=True), 75),
    ],
)
def test_malformed_login_start_fails(fake: FakeRunComfy, context: RunContext, reply: Reply, exit_code: int) -> None:
    fake.next("start", reply)
    assert expect_error(fake, context).exit_code == exit_code
    assert len(fake.calls) == 1


def test_unconfirmed_code_expires(fake: FakeRunComfy, context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "MAX_SEC", 0.1)
    fake.polls[0] = {"status": "pending"}
    assert "in time" in expect_error(fake, context).message


@pytest.mark.parametrize("value", [None, "soon", True, float("nan"), 1e400, -5, 0, [], 10**400])
def test_login_numbers_are_bounded(value: object) -> None:
    assert 1.0 <= login._between(value, 1.0, 60.0, 30.0) <= 60.0


def test_interrupt_ends_the_login(fake: FakeRunComfy, context: RunContext) -> None:
    fake.polls[0] = {"status": "pending"}
    threading.Timer(0.1, context.interrupt.set).start()
    assert isinstance(expect_error(fake, context), Interrupted)
