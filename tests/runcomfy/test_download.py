from __future__ import annotations

import gzip
import os
import tempfile
import threading
import time
from collections.abc import Iterator

import pytest

from codex_imagegen.errors import (
    DamagedPicture,
    ImagegenError,
    Interrupted,
    NoPicture,
    OutUnwritable,
    RunComfyRetry,
    RunComfyUpstream,
)
from codex_imagegen.runcomfy import download
from codex_imagegen.runcomfy.deadline import Deadline, DeadlineExceeded
from codex_imagegen.runcomfy.download import Download
from codex_imagegen.runcomfy.http import Transport, UntrustedCertificate
from codex_imagegen.runcomfy.urls import UrlRules
from tests.runcomfy.conftest import RunContext, picture, when_requested
from tests.runcomfy.fake_runcomfy import FakeRunComfy, Reply


@pytest.fixture
def fetcher(fake: FakeRunComfy, context: RunContext) -> Iterator[Download]:
    transport = Transport()
    yield Download(transport, UrlRules(fake.base), Deadline(context.interrupt, time.monotonic() + 60))
    transport.close()


@pytest.fixture
def url(fake: FakeRunComfy) -> str:
    return f"{fake.web}/files/out.png"


def expect_error(fetcher: Download, url: str) -> ImagegenError:
    with pytest.raises(ImagegenError) as caught:
        fetcher.fetch_first((url,))
    assert caught.value.spent is True
    return caught.value


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_download_delivers_the_bytes_unchanged(fetcher: Download, fake: FakeRunComfy, url: str, kind: str) -> None:
    fake.files["out.png"] = picture((300, 200), kind) + b"provenance"
    downloaded = fetcher.fetch_first((url,))
    assert (downloaded.data, downloaded.format) == (fake.files["out.png"], kind.lower())
    assert (downloaded.width, downloaded.height) == (300, 200)
    assert fake.lines == ["GET /files/out.png"]
    assert "authorization" not in fake.calls[0].headers


def test_download_keeps_percent_escapes(fetcher: Download, fake: FakeRunComfy) -> None:
    fake.files["a%20b%2Fc.png"] = picture()
    fetcher.fetch_first((f"{fake.web}/files/a%20b%2Fc.png?sig=a%2Bb%3D",))
    assert fake.lines == ["GET /files/a%20b%2Fc.png?sig=a%2Bb%3D"]


CUT = [
    Reply(drop=True),
    Reply(reset=True),
    Reply(body=picture((90, 90)), cut=40),
    Reply(body=picture((90, 90)), cut=0),
    Reply(body=picture(), announce="100000"),
    Reply(body=picture((90, 90))[:-30], announce=""),  # no declared length: a cut looks like the end
    Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n\x89PNG"),
    Reply(503, body=b"<html>"),
    Reply(429, body=b"", headers={"Retry-After": "1"}),
    Reply(408, body=b""),
]


@pytest.mark.parametrize("reply", CUT)
def test_cut_download_is_tried_again(fetcher: Download, fake: FakeRunComfy, url: str, reply: Reply) -> None:
    fake.next("file", reply, reply)
    assert fetcher.fetch_first((url,)).width == 8
    assert len(fake.calls) == 3


@pytest.mark.parametrize("reply", CUT)
def test_cut_download_is_tried_three_times(fetcher: Download, fake: FakeRunComfy, url: str, reply: Reply) -> None:
    fake.next("file", *[reply] * 5)
    error = expect_error(fetcher, url)
    assert error.exit_code == (69 if reply.status == 503 else 75)
    assert len(fake.calls) == 3


def test_download_is_not_retried_after_its_window(
    fetcher: Download, fake: FakeRunComfy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "RETRY_WINDOW_SEC", 0.0)
    fake.next("file", *[Reply(drop=True)] * 3)
    assert isinstance(expect_error(fetcher, url), RunComfyRetry)
    assert len(fake.calls) == 1


def test_silent_download_is_retried(
    fetcher: Download, fake: FakeRunComfy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "READ_TIMEOUT_SEC", 0.05)
    fake.next("file", Reply(hold=threading.Event()))
    assert fetcher.fetch_first((url,)).width == 8


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 410, 418])
def test_download_with_error_status_is_no_picture(fetcher: Download, fake: FakeRunComfy, url: str, status: int) -> None:
    fake.next("file", Reply(status, body=b""))
    error = expect_error(fetcher, url)
    assert isinstance(error, NoPicture)
    assert str(status) in error.message
    assert len(fake.calls) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>login</html>",
        b"GIF89a" + b"\0" * 100,
        picture((90, 90))[:-30],
        b"\x89PNG\r\n\x1a\n" + b"\0" * 999,
        gzip.compress(picture(), mtime=0),
    ],
)
def test_download_of_broken_picture_is_damaged(fetcher: Download, fake: FakeRunComfy, url: str, body: bytes) -> None:
    fake.files["out.png"] = body
    assert isinstance(expect_error(fetcher, url), DamagedPicture)
    assert len(fake.calls) == 1


def test_permitted_redirects_are_followed(fetcher: Download, fake: FakeRunComfy, url: str) -> None:
    fake.next(
        "file",
        Reply(302, body=b"x", headers={"Location": "/files/b"}),
        Reply(307, body=b"x", headers={"Location": f"{fake.web}/files/out.png?3"}),
    )
    assert fetcher.fetch_first((url,)).width == 8
    assert fake.lines == ["GET /files/out.png", "GET /files/b", "GET /files/out.png?3"]
    assert all("authorization" not in call.headers for call in fake.calls)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_foreign_host_fails_as_no_picture(
    fetcher: Download, fake: FakeRunComfy, url: str, status: int
) -> None:
    with FakeRunComfy() as foreign:
        foreign.files["a.png"] = picture()
        fake.next("file", Reply(status, body=b"", headers={"Location": f"{foreign.web}/files/a.png"}))
        error = expect_error(fetcher, url)
        assert foreign.calls == []
    assert (error.code, error.exit_code) == ("no-picture", 7)
    assert error.warnings == (("foreign-url", f"not fetched, as it is not RunComfy's: {foreign.web}/files/a.png"),)


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "http://cdn.runcomfy.net/a",
        "https://x@cdn.runcomfy.net/",
        "//evil.test/",
        "https://[",
        None,
    ],
)
def test_malformed_redirect_fails_as_no_picture(
    fetcher: Download, fake: FakeRunComfy, url: str, location: str | None
) -> None:
    fake.next("file", Reply(302, body=b"", headers={} if location is None else {"Location": location}))
    assert isinstance(expect_error(fetcher, url), NoPicture)
    assert len(fake.calls) == 1


def test_endless_redirects_end(fetcher: Download, fake: FakeRunComfy, url: str) -> None:
    fake.next("file", *[Reply(302, body=b"", headers={"Location": url})] * 20)
    assert isinstance(expect_error(fetcher, url), NoPicture)
    assert len(fake.calls) == download.MAX_REDIRECTS + 1


def test_oversized_length_header_is_refused(fetcher: Download, fake: FakeRunComfy, url: str) -> None:
    for length in (str(2 * 1024**3 + 1), "9" * 400):
        fake.next("file", Reply(body=picture(), announce=length))
        error = expect_error(fetcher, url)
        assert isinstance(error, NoPicture)
        assert "2,147,483,648" in error.message
    assert len(fake.calls) == 2


def test_oversized_body_is_refused(
    fetcher: Download, fake: FakeRunComfy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 100_000)
    fake.next("file", Reply(body=picture() + b"\0" * 300_000, announce=""))
    assert "100,000" in expect_error(fetcher, url).message
    monkeypatch.setattr(download, "MAX_BYTES", len(fake.files["out.png"]))
    assert fetcher.fetch_first((url,)).width == 8


def test_body_that_begins_as_no_picture_is_not_read_on(fetcher: Download, fake: FakeRunComfy, url: str) -> None:
    gate = threading.Event()
    fake.next("file", Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n" + b"x" * (1 << 17)))
    assert isinstance(expect_error(fetcher, url), DamagedPicture)
    gate.set()


def test_full_disk_fails_as_unwritable(fetcher: Download, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def write(self, _: bytes) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    assert isinstance(expect_error(fetcher, url), OutUnwritable)

    def none() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", none)
    assert isinstance(expect_error(fetcher, url), OutUnwritable)


def test_download_leaves_no_temporary_files(
    fetcher: Download, fake: FakeRunComfy, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = os.listdir(str(tmp_path))
    fake.next("file", Reply(body=picture((90, 90)), cut=60))
    fetcher.fetch_first((url,))
    assert os.listdir(str(tmp_path)) == before


def test_first_whole_picture_of_several_is_taken(fetcher: Download, fake: FakeRunComfy) -> None:
    fake.files["bad"] = b"no picture"
    fake.files["c.png"] = picture((3, 3))
    urls = tuple(f"{fake.web}/files/{name}" for name in ("missing", "bad", "c.png", "out.png"))
    assert fetcher.fetch_first(urls).width == 3
    assert len(fake.calls) == 3
    with pytest.raises(NoPicture, match="404"):
        fetcher.fetch_first(urls[:2])
    with pytest.raises(NoPicture):
        fetcher.fetch_first(())


def test_interrupt_ends_a_download(fetcher: Download, fake: FakeRunComfy, url: str, context: RunContext) -> None:
    gate = threading.Event()
    fake.next("file", Reply(hold=gate))
    when_requested(fake, "/files/", context.interrupt.set)
    with pytest.raises(Interrupted) as caught:
        fetcher.fetch_first((url,))
    gate.set()
    assert caught.value.spent is True


def test_deadline_ends_a_slow_download(fake: FakeRunComfy, url: str, context: RunContext) -> None:
    gate = threading.Event()
    fake.next("file", Reply(hold=gate))
    transport = Transport()
    with pytest.raises(DeadlineExceeded):
        Download(transport, UrlRules(fake.base), Deadline(context.interrupt, time.monotonic() + 0.05)).fetch_first(
            (url,)
        )
    gate.set()
    transport.close()


def test_untrusted_host_fails_as_upstream(
    fetcher: Download, fake: FakeRunComfy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untrusted(*_: object, **__: object) -> None:
        raise UntrustedCertificate("no trusted connection: self-signed certificate")

    monkeypatch.setattr(Transport, "open", untrusted)
    assert isinstance(expect_error(fetcher, url), RunComfyUpstream)
