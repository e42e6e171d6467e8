"""HTTP, by urllib3: one call, its answer of bounded size, and no redirect followed.

TLS is what Python's own default context makes of the system's certificates. Proxy variables of the
environment are not heeded.
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
    """The connection broke, or what came was no HTTP; whether the other side acted on the call is unknown."""


class Unsent(ConnectionBroken):
    """No connection came about, so that nothing was sent."""


class Untrusted(Unsent):
    """The other side could not show a certificate that this system trusts."""


class Transport:
    """A few connections that are kept for the next call; may be used from several threads."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(num_pools=8, retries=False)

    @contextmanager
    def open(
        self, method: str, url: str, headers: dict[str, str], *, body: bytes | None = None, read_sec: float
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to one call, its body still to be read; raises :class:`Broken`, also while it is read.

        ``read_sec`` is how long the other side may say nothing. Redirects come back as what they are.
        """
        sent = None if body is None else _Body(body)
        length = {} if body is None else {"Content-Length": str(len(body))}
        with _translated(sent):
            response = self._pool.request(
                method,
                url,
                body=sent,
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
                response.close()  # one that was read to its end has given its connection back before

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._pool.clear()


def read(response: urllib3.BaseHTTPResponse, limit: int, abandoned: threading.Event) -> Iterator[bytes]:
    """The body in pieces, and no further once it has more than ``limit`` bytes or nobody waits for it."""
    count = 0
    while piece := response.read(CHUNK):
        count += len(piece)
        yield piece
        if count > limit or abandoned.is_set():
            return


class _Body(io.BytesIO):
    """A body that knows whether anybody has begun to send it, which no exception of urllib3's tells."""

    begun = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.begun = True
        return super().read(size)


@contextmanager
def _translated(sent: _Body | None) -> Iterator[None]:
    try:
        yield
    except SSLError as error:
        if isinstance(error.args[0], ssl.SSLCertVerificationError) or (sent is not None and not sent.begun):
            raise Untrusted(f"no trusted connection: {_tls_reason(error)}") from error
        raise ConnectionBroken(f"the connection broke: {_tls_reason(error)}") from error
    except (NewConnectionError, ConnectTimeoutError, NameResolutionError) as error:
        raise Unsent(f"no connection: {_reason(error)}") from error
    except ReadTimeoutError as error:
        raise ConnectionBroken("nothing came for too long") from error
    except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
        raise ConnectionBroken("the connection broke, or what came was no HTTP") from error


def _tls_reason(error: SSLError) -> str:
    cause = error.args[0]
    return getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or "TLS"


def _reason(error: Exception) -> str:
    if isinstance(error, NameResolutionError):
        return "the host's name is unknown"
    cause = error.__cause__
    return (isinstance(cause, OSError) and cause.strerror) or "the host does not answer"
