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
from codex_imagegen.runcomfy.http import Transport, Untrusted
from codex_imagegen.runcomfy.urls import Rules
from tests.runcomfy.conftest import Bench, picture, when
from tests.runcomfy.standin import Reply, StandIn


@pytest.fixture
def fetcher(standin: StandIn, bench: Bench) -> Iterator[Download]:
    transport = Transport()
    yield Download(transport, Rules(standin.base), Deadline(bench.interrupt, time.monotonic() + 60))
    transport.close()


@pytest.fixture
def url(standin: StandIn) -> str:
    return f"{standin.web}/files/out.png"


def fails(fetcher: Download, url: str) -> ImagegenError:
    with pytest.raises(ImagegenError) as caught:
        fetcher.first((url,))
    assert caught.value.spent is True
    return caught.value


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_download_delivers_the_bytes_unchanged(fetcher: Download, standin: StandIn, url: str, kind: str) -> None:
    standin.files["out.png"] = picture((300, 200), kind) + b"provenance"
    found = fetcher.first((url,))
    assert (found.data, found.format) == (standin.files["out.png"], kind.lower())
    assert (found.width, found.height) == (300, 200)
    assert standin.lines == ["GET /files/out.png"]
    assert "authorization" not in standin.calls[0].headers


def test_download_keeps_percent_escapes(fetcher: Download, standin: StandIn) -> None:
    standin.files["a%20b%2Fc.png"] = picture()
    fetcher.first((f"{standin.web}/files/a%20b%2Fc.png?sig=a%2Bb%3D",))
    assert standin.lines == ["GET /files/a%20b%2Fc.png?sig=a%2Bb%3D"]


CUT = [
    Reply(drop=True),
    Reply(reset=True),
    Reply(body=picture((90, 90)), cut=40),
    Reply(body=picture((90, 90)), cut=0),
    Reply(body=picture(), announce="100000"),
    Reply(body=picture((90, 90))[:-30], announce=""),  # no length: a cut looks like an end
    Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n\x89PNG"),
    Reply(503, body=b"<html>"),
    Reply(429, body=b"", headers={"Retry-After": "1"}),
    Reply(408, body=b""),
]


@pytest.mark.parametrize("reply", CUT)
def test_cut_download_is_tried_again(fetcher: Download, standin: StandIn, url: str, reply: Reply) -> None:
    standin.next("file", reply, reply)
    assert fetcher.first((url,)).width == 8
    assert len(standin.calls) == 3


@pytest.mark.parametrize("reply", CUT)
def test_cut_download_is_tried_three_times(fetcher: Download, standin: StandIn, url: str, reply: Reply) -> None:
    standin.next("file", *[reply] * 5)
    error = fails(fetcher, url)
    assert error.exit_code == (69 if reply.status == 503 else 75)
    assert len(standin.calls) == 3


def test_download_is_not_retried_after_its_window(
    fetcher: Download, standin: StandIn, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TRIES_SEC", 0.0)
    standin.next("file", *[Reply(drop=True)] * 3)
    assert isinstance(fails(fetcher, url), RunComfyRetry)
    assert len(standin.calls) == 1


def test_silent_download_is_retried(
    fetcher: Download, standin: StandIn, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "QUIET_SEC", 0.05)
    standin.next("file", Reply(hold=threading.Event()))
    assert fetcher.first((url,)).width == 8


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 410, 418])
def test_download_with_error_status_is_no_picture(fetcher: Download, standin: StandIn, url: str, status: int) -> None:
    standin.next("file", Reply(status, body=b""))
    error = fails(fetcher, url)
    assert isinstance(error, NoPicture)
    assert str(status) in error.message
    assert len(standin.calls) == 1


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
def test_download_of_broken_picture_is_damaged(fetcher: Download, standin: StandIn, url: str, body: bytes) -> None:
    standin.files["out.png"] = body
    assert isinstance(fails(fetcher, url), DamagedPicture)
    assert len(standin.calls) == 1


def test_permitted_redirects_are_followed(fetcher: Download, standin: StandIn, url: str) -> None:
    standin.next(
        "file",
        Reply(302, body=b"x", headers={"Location": "/files/b"}),
        Reply(307, body=b"x", headers={"Location": f"{standin.web}/files/out.png?3"}),
    )
    assert fetcher.first((url,)).width == 8
    assert standin.lines == ["GET /files/out.png", "GET /files/b", "GET /files/out.png?3"]
    assert all("authorization" not in call.headers for call in standin.calls)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_to_foreign_host_fails_as_no_picture(
    fetcher: Download, standin: StandIn, url: str, status: int
) -> None:
    with StandIn() as foreign:
        foreign.files["a.png"] = picture()
        standin.next("file", Reply(status, body=b"", headers={"Location": f"{foreign.web}/files/a.png"}))
        error = fails(fetcher, url)
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
    fetcher: Download, standin: StandIn, url: str, location: str | None
) -> None:
    standin.next("file", Reply(302, body=b"", headers={} if location is None else {"Location": location}))
    assert isinstance(fails(fetcher, url), NoPicture)
    assert len(standin.calls) == 1


def test_endless_redirects_end(fetcher: Download, standin: StandIn, url: str) -> None:
    standin.next("file", *[Reply(302, body=b"", headers={"Location": url})] * 20)
    assert isinstance(fails(fetcher, url), NoPicture)
    assert len(standin.calls) == download.MAX_REDIRECTS + 1


def test_oversized_length_header_is_refused(fetcher: Download, standin: StandIn, url: str) -> None:
    for length in (str(2 * 1024**3 + 1), "9" * 400):
        standin.next("file", Reply(body=picture(), announce=length))
        error = fails(fetcher, url)
        assert isinstance(error, NoPicture)
        assert "2,147,483,648" in error.message
    assert len(standin.calls) == 2


def test_oversized_body_is_refused(
    fetcher: Download, standin: StandIn, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "MAX_BYTES", 100_000)
    standin.next("file", Reply(body=picture() + b"\0" * 300_000, announce=""))
    assert "100,000" in fails(fetcher, url).message
    monkeypatch.setattr(download, "MAX_BYTES", len(standin.files["out.png"]))
    assert fetcher.first((url,)).width == 8


def test_body_that_begins_as_no_picture_is_not_read_on(fetcher: Download, standin: StandIn, url: str) -> None:
    gate = threading.Event()
    standin.next("file", Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n\r\n" + b"x" * (1 << 17)))
    assert isinstance(fails(fetcher, url), DamagedPicture)
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
    assert isinstance(fails(fetcher, url), OutUnwritable)

    def none() -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", none)
    assert isinstance(fails(fetcher, url), OutUnwritable)


def test_download_leaves_no_temporary_files(
    fetcher: Download, standin: StandIn, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = os.listdir(str(tmp_path))
    standin.next("file", Reply(body=picture((90, 90)), cut=60))
    fetcher.first((url,))
    assert os.listdir(str(tmp_path)) == before


def test_first_whole_picture_of_several_is_taken(fetcher: Download, standin: StandIn) -> None:
    standin.files["bad"] = b"no picture"
    standin.files["c.png"] = picture((3, 3))
    urls = tuple(f"{standin.web}/files/{name}" for name in ("missing", "bad", "c.png", "out.png"))
    assert fetcher.first(urls).width == 3
    assert len(standin.calls) == 3
    with pytest.raises(NoPicture, match="404"):
        fetcher.first(urls[:2])
    with pytest.raises(NoPicture):
        fetcher.first(())


def test_interrupt_ends_a_download(fetcher: Download, standin: StandIn, url: str, bench: Bench) -> None:
    gate = threading.Event()
    standin.next("file", Reply(hold=gate))
    when(standin, "/files/", bench.interrupt.set)
    with pytest.raises(Interrupted) as caught:
        fetcher.first((url,))
    gate.set()
    assert caught.value.spent is True


def test_deadline_ends_a_slow_download(standin: StandIn, url: str, bench: Bench) -> None:
    gate = threading.Event()
    standin.next("file", Reply(hold=gate))
    transport = Transport()
    with pytest.raises(DeadlineExceeded):
        Download(transport, Rules(standin.base), Deadline(bench.interrupt, time.monotonic() + 0.05)).first((url,))
    gate.set()
    transport.close()


def test_untrusted_host_fails_as_upstream(
    fetcher: Download, standin: StandIn, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def untrusted(*_: object, **__: object) -> None:
        raise Untrusted("no trusted connection: self-signed certificate")

    monkeypatch.setattr(Transport, "open", untrusted)
    assert isinstance(fails(fetcher, url), RunComfyUpstream)
