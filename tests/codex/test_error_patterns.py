"""Error codes for the messages of Codex."""

from __future__ import annotations

import time

import pytest

from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.error_patterns import Reason


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("You've hit your usage limit. Try again at 3:48 AM.", "usage-limit"),
        ("You’ve hit your usage limit for GPT-X. Switch to another model now.", "usage-limit"),
        ("Your workspace is out of credits. Ask your workspace owner to refill.", "usage-limit"),
        ("Quota exceeded. Check your plan and billing details.", "usage-limit"),
        ("To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus.", "usage-limit"),
        ("stream disconnected before completion: You have reached your image generation limit.", "usage-limit"),
        ("stream disconnected before completion: The usage limit has been reached", "usage-limit"),
        ("Your access token could not be refreshed. Please log out and sign in again.", "not-logged-in"),
        ("unexpected status 401 Unauthorized: Missing bearer, url: http://x", "not-logged-in"),
        ("Failed to refresh token: 404 Not Found: {}", "not-logged-in"),
        ("stream disconnected before completion: rejected by the safety system", "moderation"),
        ('{"error": {"code": "moderation_blocked", "message": "no"}}', "moderation"),
        ("exceeded retry limit, last status: 429 Too Many Requests", "rate-limited"),
        ("stream disconnected before completion: Rate limit reached for gpt-5", "rate-limited"),
        ("Selected model is at capacity. Please try a different model.", "rate-limited"),
        ("stream disconnected before completion: stream closed before response.completed", "network"),
        ("error sending request for url (https://chatgpt.com/x)", "network"),
        ("unexpected status 503 Service Unavailable: x", "network"),
        ("exceeded retry limit, last status: 500 Internal Server Error", "network"),
        ("stream disconnected before completion: The prompt may violate our guardrails around x.", "moderation"),
        ("stream disconnected before completion: ServerError Encountered exception: x", "generation-failed"),
        ("Encountered exception: <class 'oai_errors.errors.TooManyRequests'>", "rate-limited"),
        ("Access blocked by Cloudflare. (status 403 Forbidden)", "network"),
        ("something of tomorrow", "codex-failed"),
        ("", "codex-failed"),
    ],
)
def test_reason_of_a_turn_has_its_code(text: str, code: str):
    assert error_patterns.classify_turn_error(text).code == code


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ("usage_limit_exceeded", "usage-limit"),
        ("unauthorized", "not-logged-in"),
        ("rate_limit_exceeded", "rate-limited"),
        ("server_overloaded", "rate-limited"),
        ("cyber_policy", "moderation"),
        ("internal_server_error", "network"),
        ({"http_connection_failed": {"http_status_code": 401}}, "not-logged-in"),
        ({"http_connection_failed": {"http_status_code": 429}}, "rate-limited"),
        ({"response_too_many_failed_attempts": {"http_status_code": 502}}, "network"),
        ({"http_connection_failed": {"http_status_code": 400}}, "codex-failed"),
        ({"x": {"http_status_code": None}}, "codex-failed"),
        ("other", "codex-failed"),
        ([], "codex-failed"),
        (5, "codex-failed"),
    ],
)
def test_reason_of_a_turn_prefers_the_record(info: object, code: str):
    assert error_patterns.classify_turn_error("something", info).code == code


def test_reason_of_a_turn_takes_the_message_out_of_a_body():
    assert (
        error_patterns.classify_turn_error('{"detail": "The model is not supported"}').message
        == "The model is not supported"
    )
    assert error_patterns.classify_turn_error('{"error": {"message": "no", "code": "x"}}').message == "no"
    assert error_patterns.classify_turn_error('{"other": 1}').message == '{"other": 1}'
    assert error_patterns.classify_turn_error('{"detail": {"code": "x"}}').message == '{"detail": {"code": "x"}}'


@pytest.mark.parametrize("name", ["UTC", "America/New_York", "Asia/Kolkata"])
@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("try again at 1:47 AM.", (2026, 11, 21, 1, 47)),
        ("try again at 12:05 AM.", (2026, 11, 21, 0, 5)),
        ("Try again at 12:05 PM.", (2026, 11, 21, 12, 5)),
        ("try again at Nov 23rd, 2026 4:01 PM.", (2026, 11, 23, 16, 1)),
        ("try again at Jan 1st, 2027 11:59 PM.", (2027, 1, 1, 23, 59)),
        ("try again at Feb 2nd, 2027 1:00 AM.", (2027, 2, 2, 1, 0)),
    ],
)
def test_reset_time_is_a_local_clock(zone, name: str, text: str, clock: tuple[int, int, int, int, int]):
    zone(name)
    now = time.mktime((2026, 11, 21, 0, 1, 0, 0, 0, -1))
    expected = time.mktime((*clock, 0, 0, 0, -1))
    assert error_patterns.parse_reset_time(f"You've hit your usage limit. Or {text}", now) == expected


@pytest.mark.parametrize(("text", "rest"), [
    ("You've hit your usage limit. Try again at 3:48 AM.", "You've hit your usage limit."),
    ("Visit https://x/y to buy more or try again at Nov 23rd, 2026 4:01 PM.", "Visit https://x/y to buy more."),
    ("Upgrade to Plus (https://x), or try again at 1:47 AM.", "Upgrade to Plus (https://x)."),
    ("Buy more or try again later.", "Buy more."),
    ("Try a later model, again at 5.", "Try a later model, again at 5."),
])  # fmt: skip
def test_message_beside_a_time_does_not_repeat_it(text, rest):
    assert error_patterns.without_reset_time(text) == rest


@pytest.mark.parametrize(
    "text", ["", "try again later.", "try again at Foo 1st, 2026 1:00 AM", "try again at 1 AM", "try again in 2 days"]
)
def test_text_without_a_reset_time_has_none(text: str):
    assert error_patterns.parse_reset_time(text, 1_795_300_000) is None


def test_only_usage_limits_have_a_reset_time():
    assert error_patterns.classify_turn_error("Selected model is at capacity, try again at 1:47 AM.").resets_at is None


@pytest.mark.parametrize("value", [True, 5, 10**11])
def test_unix_time_is_accepted(value: int):
    assert error_patterns.as_unix_time(value) == value


@pytest.mark.parametrize("value", [0, -1, 10**12, 1.5, "5", None, []])
def test_unix_time_out_of_range_is_refused(value: object):
    assert error_patterns.as_unix_time(value) is None


def test_failed_start_has_the_message_of_its_error_line():
    stderr = (
        "WARNING: proceeding, even though we could not create PATH aliases\n"
        "error: unexpected argument '--nonsense' found\n\n  tip: to pass it\n\nUsage: codex exec [OPTIONS]\n\n"
        "For more information, try '--help'.\n"
    )
    assert error_patterns.classify_startup_error(stderr) == Reason(
        "codex-failed", "error: unexpected argument '--nonsense' found"
    )
    assert error_patterns.classify_startup_error("a\nb\n").message == "b"
    assert error_patterns.classify_startup_error("").message == "(no output)"
    assert (
        error_patterns.classify_startup_error("Error: Unknown feature flag: image_generation").code == "codex-too-old"
    )
    assert error_patterns.classify_startup_error("Error: Failed to load cloud config bundle").code == "network"


def test_tool_lines_are_taken_from_stderr():
    stderr = "a\n2026 ERROR codex_core::tools::router: error=image generation failed: x\nb error=y\n"
    assert error_patterns.find_tool_errors(stderr) == ["image generation failed: x"]
