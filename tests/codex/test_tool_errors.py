"""Errors of the image tool and its endpoint."""

from __future__ import annotations

import json

import pytest

from codex_imagegen.codex import error_patterns
from codex_imagegen.codex.error_patterns import Reason


def http(status: str, body: object) -> str:
    """A tool error as Codex prints it: the body is a Rust string."""
    text = body if isinstance(body, str) else json.dumps(body)
    return f"image generation failed: http {status}: Some({json.dumps(text, ensure_ascii=False)})"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("unsupported call: image_genimagegen", "tool-unavailable"),
        ("unsupported call: image_gen.imagegen", "tool-unavailable"),
        ("unsupported call: image_gen:imagegen", "tool-unavailable"),
        ("Script failed: TypeError: tools.image_gen__imagegen is not a function", "tool-unavailable"),
        ("ReferenceError: image_gen__imagegen is not defined", "tool-unavailable"),
        ("image generation returned no image data", "generation-failed"),
        ("unable to read referenced image at `/x.png`: no such file", "generation-failed"),
        ("`referenced_image_paths` must contain at most 5 paths", "generation-failed"),
        ("`num_last_images_to_include` must be between 1 and 5", "generation-failed"),
        ("requested the last 3 conversation images, but only 1 are available", "generation-failed"),
        ("image generation failed: network error: error sending request for url (x)", "network"),
        ("image generation failed: timeout", "network"),
        ("image generation failed: something of tomorrow", "generation-failed"),
        (http("401 Unauthorized", "x"), "not-logged-in"),
        (http("403 Forbidden", "x"), "generation-failed"),
        (http("429 Too Many Requests", "slow down"), "rate-limited"),
        (http("500 Internal Server Error", {"error": {"message": "x", "type": "server_error"}}), "generation-failed"),
        (http("400 Bad Request", {"error": {"code": "moderation_blocked"}}), "moderation"),
        (http("400 Bad Request", {"error": {"type": "content_policy_violation"}}), "moderation"),
        (http("400 Bad Request", "Your request was rejected by the safety system."), "moderation"),
        (http("429 Too Many Requests", {"error": {"type": "usage_limit_reached"}}), "usage-limit"),
        (http("403 Forbidden", {"error": {"code": "billing_hard_limit_reached"}}), "usage-limit"),
        (http("400 Bad Request", {"error": {"type": "TooManyRequests"}}), "rate-limited"),
        (http("400 Bad Request", '{"error": {"code": "moderation_blocked", "message": "cut he'), "moderation"),
        (http("400 Bad Request", "This prompt may violate our guardrails."), "moderation"),
        ("image generation failed: http 429 Too Many Requests: None", "rate-limited"),
        ("image generation failed: retry limit reached", "rate-limited"),
        ("image generation failed: rate limit: slow down", "rate-limited"),
        ("image generation failed: quota exceeded", "usage-limit"),
        ("image generation failed: operation timed out", "network"),
        ("image generation failed: stream error: connection reset", "network"),
        ("image generation failed: stream error: failed to decode image generation response: x", "generation-failed"),
        ('image generation failed: http 502 Bad Gateway: {"error": {"type": "upstream_error"}}', "generation-failed"),
        ("image generation failed: api error 404 Not Found: no such path", "generation-failed"),
        ("image generation failed: ", "generation-failed"),
        ("unable to read referenced image at `/network error/timeout.png`: gone", "generation-failed"),
        (http("408 Request Timeout", ""), "network"),
        ("TooManyRequests\nEncountered exception: <class 'oai_errors.errors.TooManyRequests'>", "rate-limited"),
        ("ServerError\nEncountered exception: <class ‘oai_errors.errors.ServerError’>", "generation-failed"),
        ("Script failed\nfailed to spawn code-mode host /x y/codex-code-mode-host: not found", "codex-incomplete"),
    ],
)
def test_tool_error_has_its_code(text: str, code: str):
    reason = error_patterns.classify_tool_error(text)
    assert reason is not None
    assert reason.code == code
    assert bool(reason.message) is (code != "tool-unavailable")  # its sentence says everything


@pytest.mark.parametrize("text", ["", "Generated image saved to x", "unsupported call: shell", "The image is ready."])
def test_tool_output_without_an_error_has_none(text: str):
    assert error_patterns.classify_tool_error(text) is None


def test_tool_error_of_a_limit_has_its_reset_time():
    limit = {"error": {"type": "usage_limit_reached", "message": "The limit", "resets_at": 1_795_300_000}}
    assert error_patterns.classify_tool_error(http("429 Too Many Requests", limit)) == Reason(
        "usage-limit", "The limit", 1_795_300_000
    )
    limit["error"]["resets_at"] = 10**20
    assert error_patterns.classify_tool_error(http("429 Too Many Requests", limit)) == Reason(
        "usage-limit", "The limit"
    )


@pytest.mark.parametrize("error", [{"code": []}, {"type": {}}, [], "x", None, 5, {"message": 5}])
def test_tool_error_with_any_body_is_read(error: object):
    assert error_patterns.classify_tool_error(http("400 Bad Request", {"error": error})) is not None


def test_tool_error_reads_an_escaped_rust_string():
    body = r'"{\"error\":{\"message\":\"na\u{ef}ve \\\"q\\\" \'x\' \u{1f98a}\"}}"'
    quoted = f"image generation failed: http 400 Bad Request: Some({body})"
    reason = error_patterns.classify_tool_error(quoted)
    assert reason is not None
    assert (reason.code, reason.message) == ("generation-failed", "naïve \"q\" 'x' 🦊")
    for odd in (r"\u{d800}", r"\u{ffffff}", r"\x", "\\u{}", '"'):
        assert (
            error_patterns.classify_tool_error(f'image generation failed: http 400 Bad Request: Some("{odd}")')
            is not None
        )


def hint(text: str) -> str:
    reason = error_patterns.classify_tool_error(text)
    assert reason is not None
    assert reason.code == "generation-failed"
    return reason.hint or ""


def test_hint_says_try_again_only_where_it_can_help():
    opaque = {"error": {"message": "Transparent background is not supported for this model.", "type": "user_error"}}
    assert "leave --transparent out" in hint(http("400 Bad Request", opaque))
    assert "account" in hint(http("403 Forbidden", "x"))
    assert "proxy or a base URL" in hint(http("404 Not Found", "x"))
    assert "smaller references" in hint(http("413 Payload Too Large", "x"))
    hints = [hint(http(f"{status} X", "x")) for status in (400, 403, 404, 413, 422)]
    assert not [one for one in hints if "again later" in one]
    later = [hint(http("500 Internal Server Error", "x")), hint(http("502 Bad Gateway", "<html>"))]
    later.append(hint("image generation failed: stream error: failed to decode image generation response: x"))
    later.append(hint("ServerError\nEncountered exception: <class 'oai_errors.errors.ServerError'>"))
    assert set(later) == {"a problem on OpenAI's side: try again later"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html><head><title>502 Bad Gateway</title></head><body>x</body></html>", "HTTP 502 Bad Gateway"),
        ("\n<!DOCTYPE html>\n<html>" + "x" * 5000, "HTTP 502 Bad Gateway"),
        ("", "HTTP 502 Bad Gateway"),
        ("upstream is down", "upstream is down"),
        ({"detail": "Forbidden"}, "Forbidden"),
        ({"error": "no such thing"}, "no such thing"),
        ({"error": {"type": "upstream_error", "message": "not forwarded"}}, "not forwarded"),
        ({"error": {"type": "upstream_error"}}, "HTTP 502 Bad Gateway"),
        ({"detail": {"x": 1}}, "HTTP 502 Bad Gateway"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_error_body_becomes_a_message(body: object, message: str):
    reason = error_patterns.classify_tool_error(http("502 Bad Gateway", body))
    assert reason is not None
    assert reason.message == message


def test_answer_without_a_body_has_a_message():
    for text in ("image generation failed: http 404 Not Found: None", "image generation failed: http 404 Not Found"):
        reason = error_patterns.classify_tool_error(text)
        assert reason is not None
        assert reason.message == "HTTP 404 Not Found"


def test_missing_host_is_named_with_path_and_reason():
    error = "failed to spawn code-mode host /a b/codex-code-mode-host: not found. Code mode will fail closed"
    reason = error_patterns.classify_tool_error(f"Code Mode is unavailable because {error}")
    assert reason == Reason("codex-incomplete", "/a b/codex-code-mode-host: not found")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            "The tool failed: TooManyRequests. Encountered exception: <class 'oai_errors.errors.TooManyRequests'>",
            "rate-limited",
        ),
        ("Image generation returned TooManyRequests.", "rate-limited"),
        ("The image tool gave a ServerError, so I have no picture.", "generation-failed"),
        ("I can't make it: the prompt may violate our guardrails around third-party content.", "moderation"),
        ("The request violated OpenAI's content guardrails.", "moderation"),
        ("A bridge with guardrails is not something that I can draw.", None),
        ("I got a TypeError in my script.", None),
        ("There were too many requests in your prompt.", None),
        ("Our policy about server errors is on the page.", None),
    ],
)
def test_hosted_tool_error_in_the_models_message_has_its_code(message: str, code: str | None):
    reason = error_patterns.classify_hosted_error(message)
    assert (None if reason is None else reason.code) == code
