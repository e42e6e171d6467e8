from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_imagegen.runcomfy.urls import UrlRules

RULES = UrlRules("https://model-api.runcomfy.net/v1")
LOCAL = UrlRules("http://127.0.0.1:8123/v1")


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.runcomfy.net/a.png",
        "https://a.b.runcomfy.com/x%20y%2Fz.png?sig=%2B1&b#f",
        "HTTPS://CDN.RUNCOMFY.NET/a.png",
        "https://cdn.runcomfy.net:443/a.png",
        "https://cdn.runcomfy.net",
        "https://cdn.runcomfy.net?x",
    ],
)
def test_own_addresses_are_permitted(url: str) -> None:
    assert RULES.is_allowed(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.runcomfy.net/a.png",
        "https://runcomfy.net/a.png",
        "https://evilruncomfy.net/a.png",
        "https://cdn.runcomfy.net.evil.test/a.png",
        "https://cdn.runcomfy.net./a.png",
        "https://evil.test/cdn.runcomfy.net",
        "https://evil.test#.runcomfy.net",
        "https://evil.test?.runcomfy.net",
        "https://evil.test\\.runcomfy.net/a",
        "https://evil.test\\@cdn.runcomfy.net/a",
        "https://user@cdn.runcomfy.net/a",
        "https://cdn.runcomfy.net@evil.test/a",
        "https://cdn.runcomfy.net:x@evil.test/a",
        "https://evil.test%2F.runcomfy.net/a",
        "https://evil.test/\n.runcomfy.net",
        "https://cdn.runcomfy.net/\r\nHost: evil",
        "https://cdn.runcomfy.net/\x00",
        "https://évil.runcomfy.net/a",
        "https://cdn.runcomfy。net/a",
        "https://[::1].runcomfy.net/a",
        "https://cdn.runcomfy.net:99999/a",
        "https://cdn.runcomfy.net:x/a",
        "https:///a",
        "https://.runcomfy.net" + "a" * 9000,
        "https:/cdn.runcomfy.net/a",
        "ftp://cdn.runcomfy.net/a",
        "//cdn.runcomfy.net/a",
        "file:///etc/passwd",
        "https://127.0.0.1:8123/files/a",
        "http://127.0.0.1:8123/files/a",
        "",
    ],
)
def test_foreign_addresses_are_refused(url: str) -> None:
    assert not RULES.is_allowed(url)


def test_loopback_origin_of_the_api_is_permitted() -> None:
    assert LOCAL.is_allowed("http://127.0.0.1:8123/files/a.png")
    assert LOCAL.is_allowed("https://cdn.runcomfy.net/a.png")
    for url in (
        "http://127.0.0.1:8124/a",
        "http://127.0.0.1/a",
        "https://127.0.0.1:8123/a",
        "http://127.0.0.2:8123/a",
        "http://localhost:8123/a",
        "http://x@127.0.0.1:8123/a",
        "http://127.0.0.1:8123.evil.test/a",
        "http://127.1:8123/a",
    ):
        assert not LOCAL.is_allowed(url), url
    assert not UrlRules("https://other.test/v1").is_allowed("https://other.test/a.png")
    assert UrlRules("http://[::1]:80/v1").is_allowed("http://[::1]/a.png")


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b.png", "https://cdn.runcomfy.net/b.png"),
        ("b.png?x=1", "https://cdn.runcomfy.net/a/b.png?x=1"),
        ("https://x.runcomfy.com/c", "https://x.runcomfy.com/c"),
        ("//x.runcomfy.com/c", "https://x.runcomfy.com/c"),
        ("http://cdn.runcomfy.net/a", None),
        ("//evil.test/c", None),
        ("/\\evil.test", None),
        ("https://[bad", None),
        ("file:///etc/passwd", None),
        ("", None),
        (None, None),
    ],
)
def test_redirect_target_is_checked(location: str | None, target: str | None) -> None:
    assert RULES.resolve_redirect("https://cdn.runcomfy.net/a/1.png", location) == target


def test_addresses_are_found_once_and_in_order() -> None:
    a, b, evil = "https://a.runcomfy.net/1", "https://b.runcomfy.com/2", "https://evil.test/3"
    urls = RULES.classify({"image": b, "images": [a, evil, b, 5, None, {"url": "HTTP://evil.test"}], "text": "no"})
    assert urls.own == (b, a)
    assert urls.foreign == (evil, "HTTP://evil.test")
    deep: object = a
    for _ in range(100_000):
        deep = [deep]
    assert RULES.classify(deep).own == (a,)
    assert (
        RULES.classify(None).own == RULES.classify(5).own == RULES.classify("data:image/png;base64,AAAA").foreign == ()
    )


@given(st.text(), st.sampled_from(["https://", "http://", "https://cdn.runcomfy.net", "https://evil.test/"]))
def test_arbitrary_text_raises_nothing(text: str, start: str) -> None:
    RULES.is_allowed(start + text)
    RULES.resolve_redirect("https://cdn.runcomfy.net/a", text)
