"""HTTP through urllib3: one call at a time, with a bounded body and without following redirects.

TLS uses Python's default context with the system's certificates. Proxy variables of the environment are ignored.
"""

from __future__ import annotations

import http.client
import io
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from codex_imagegen._version import __version__

USER_AGENT = f"codex-imagegen/{__version__}"
CHUNK = 1 << 16
CONNECT_SEC = 10.0


class ConnectionBroken(Exception):
    """The connection broke, or the answer was not HTTP; whether the server acted on the call is unknown."""


class ConnectFailed(ConnectionBroken):
    """No connection was made, so nothing was sent."""


class UntrustedCertificate(ConnectFailed):
    """The server has no certificate that this system trusts."""


class Transport:
    """A small connection pool; may be used from several threads."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(num_pools=8, retries=False)

    @contextmanager
    def open(
        self, method: str, url: str, headers: dict[str, str], *, body: bytes | None = None, read_sec: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Send one request and yield its response, with the body unread.

        Raises :class:`ConnectionBroken`, also while the body is read. ``read_sec`` is how long the server may send
        nothing. Redirects are returned, not followed.
        """
        tracked = None if body is None else _Body(body)
        length = {} if body is None else {"Content-Length": str(len(body))}
        with _translate_errors(tracked):
            response = self._pool.request(
                method,
                url,
                body=tracked,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **length, **headers},
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SEC, read=read_sec),
            )
            try:
                yield response
            finally:
                response.close()  # a response read to its end has already returned its connection to the pool

    def close(self) -> None:
        """Close the pooled connections."""
        self._pool.clear()


def read_body(response: urllib3.BaseHTTPResponse, limit: int, abandoned: threading.Event) -> Iterator[bytes]:
    """Read the body in pieces, until it exceeds ``limit`` bytes or the call is ``abandoned``."""
    count = 0
    while piece := response.read(CHUNK):
        count += len(piece)
        yield piece
        if count > limit or abandoned.is_set():
            return


class _Body(io.BytesIO):
    """A request body that records whether sending began, which no exception of urllib3 reports."""

    is_sending = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.is_sending = True
        return super().read(size)


@contextmanager
def _translate_errors(body: _Body | None) -> Iterator[None]:
    try:
        yield
    except SSLError as error:
        if isinstance(error.args[0], ssl.SSLCertVerificationError) or (body is not None and not body.is_sending):
            raise UntrustedCertificate(f"no trusted connection: {_tls_reason(error)}") from error
        raise ConnectionBroken(f"the connection broke: {_tls_reason(error)}") from error
    except (NewConnectionError, ConnectTimeoutError, NameResolutionError) as error:
        raise ConnectFailed(f"no connection: {_reason(error)}") from error
    except ReadTimeoutError as error:
        raise ConnectionBroken("the server sent nothing for too long") from error
    except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise ConnectionBroken("the connection broke, or the answer was not HTTP") from error


def _tls_reason(error: SSLError) -> str:
    cause = error.args[0]
    return getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or "TLS"


def _reason(error: Exception) -> str:
    if isinstance(error, NameResolutionError):
        return "the host's name is unknown"
    cause = error.__cause__
    return (isinstance(cause, OSError) and cause.strerror) or "the host does not answer"
