from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codex_imagegen.runcomfy.http import ConnectFailed, ConnectionBroken, Transport, UntrustedCertificate, read_body
from tests.runcomfy.fake_runcomfy import FakeRunComfy, Reply


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport()
    yield transport
    transport.close()


def get(transport: Transport, url: str, limit: int = 1 << 20) -> tuple[int, bytes]:
    with transport.open("GET", url, {}, read_sec=5) as response:
        return response.status, b"".join(read_body(response, limit, threading.Event()))


def test_answer_is_complete_and_redirects_are_not_followed(transport: Transport, fake: FakeRunComfy) -> None:
    url = f"{fake.web}/files/a"
    fake.files["a"] = b"x" * 200_000
    assert get(transport, url) == (200, b"x" * 200_000)
    fake.next("file", Reply(302, body=b"", headers={"Location": "/files/b"}))
    assert get(transport, url) == (302, b"")
    assert fake.lines == ["GET /files/a"] * 2
    assert fake.calls[0].headers["user-agent"].startswith("codex-imagegen/")


def test_body_is_read_up_to_its_limit(transport: Transport, fake: FakeRunComfy) -> None:
    fake.files["a"] = b"x" * 1_000_000
    _, body = get(transport, f"{fake.web}/files/a", limit=100)
    assert 100 < len(body) <= 1 << 16
    abandoned = threading.Event()
    abandoned.set()
    with transport.open("GET", f"{fake.web}/files/a", {}, read_sec=5) as response:
        assert len(list(read_body(response, 1 << 30, abandoned))) == 1


def test_connection_is_reused(transport: Transport, fake: FakeRunComfy) -> None:
    fake.files["a"] = b"x"
    for _ in range(3):
        get(transport, f"{fake.web}/files/a")
    (pool,) = (transport._pool.pools[key] for key in transport._pool.pools.keys())  # noqa: SIM118
    assert pool.num_connections == 1


BROKEN = [
    Reply(drop=True),
    Reply(reset=True),
    Reply(body=b"x" * 1000, cut=10),
    Reply(body=b"x", announce="1000"),
    Reply(raw=b"\x00\x01\x02 no http\r\n\r\n"),
    Reply(raw=b"HTTP/1.1 abc OK\r\n\r\n"),
    Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n"),
    Reply(raw=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"),
    Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
    Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
]


@pytest.mark.parametrize("reply", BROKEN)
def test_answer_that_is_not_http_is_a_broken_connection(transport: Transport, fake: FakeRunComfy, reply: Reply) -> None:
    fake.next("file", reply)
    with pytest.raises(ConnectionBroken) as caught:
        get(transport, f"{fake.web}/files/a")
    assert not isinstance(caught.value, ConnectFailed)


@pytest.mark.parametrize("length", ["-5", "abc", "1, 2", "9" * 5000])
def test_invalid_content_length_is_broken(transport: Transport, fake: FakeRunComfy, length: str) -> None:
    fake.next("file", Reply(body=b"x", announce=length))
    try:
        get(transport, f"{fake.web}/files/a")
    except ConnectionBroken:
        pass


def test_silence_is_broken(transport: Transport, fake: FakeRunComfy) -> None:
    fake.next("file", Reply(hold=threading.Event()))
    with (
        pytest.raises(ConnectionBroken, match="sent nothing"),
        transport.open("GET", f"{fake.web}/files/a", {}, read_sec=0.05),
    ):
        pass


def test_closed_port_is_unsent(transport: Transport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(ConnectFailed, match="refused"):
        get(transport, url)
    with pytest.raises(ConnectFailed, match="name is unknown"):
        get(transport, "http://nowhere.invalid/")


def test_peer_without_tls_gets_no_body(transport: Transport, fake: FakeRunComfy) -> None:
    url = fake.web.replace("http:", "https:") + "/files/a"
    with pytest.raises(ConnectionBroken) as caught:
        get(transport, url)
    assert not isinstance(caught.value, ConnectFailed)
    with pytest.raises(ConnectFailed), transport.open("POST", url, {}, body=b"x", read_sec=5):
        pass


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[ssl.SSLContext, Path]]:
    """A server context with a self-signed certificate, arguments for this test, and the certificate's path."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    arguments = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout {key} -out {certificate}"
    subprocess.run(
        ["openssl", *arguments.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def test_self_signed_certificate_is_untrusted(
    transport: Transport, fake: FakeRunComfy, tls: tuple[ssl.SSLContext, Path]
) -> None:
    fake.wrap(tls[0])
    for body in (None, b"a prompt"):
        with (
            pytest.raises(UntrustedCertificate, match=r"self.signed"),
            transport.open("POST", f"{fake.web}/files/a", {}, body=body, read_sec=5),
        ):
            pass
    assert fake.calls == []


def test_tls_connection_cut_after_the_body_is_not_unsent(
    fake: FakeRunComfy, tls: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.wrap(tls[0])
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[1]))  # read by Python's default context, which the program uses
    transport = Transport()
    fake.files["a"] = b"x" * 100_000
    assert get(transport, f"{fake.web}/files/a")[0] == 200
    for reply in (Reply(drop=True), Reply(reset=True), Reply(body=b"x" * 100_000, cut=70_000)):
        fake.next("file", reply)
        with (
            pytest.raises(ConnectionBroken) as caught,
            transport.open("POST", f"{fake.web}/files/a", {}, body=b"a prompt", read_sec=5) as response,
        ):
            list(read_body(response, 1 << 20, threading.Event()))
        assert not isinstance(caught.value, ConnectFailed)
    transport.close()


def test_urls_of_any_shape_are_broken_at_worst(transport: Transport) -> None:
    for url in ("https://[::1", "http://", "http://a b/", "http://" + "a" * 300 + ".invalid/", "http://x:99999/"):
        with pytest.raises(ConnectionBroken):
            get(transport, url)
