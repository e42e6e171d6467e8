"""Download a picture without the token: redirects are checked, the size is bounded, cut downloads are retried."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import dataclass
from typing import IO

import urllib3

from codex_imagegen.errors import (
    DamagedPicture,
    ImagegenError,
    NoPicture,
    OutUnwritable,
    RunComfyRetry,
    RunComfyUpstream,
)
from codex_imagegen.images import decode, structure
from codex_imagegen.results import Picture
from codex_imagegen.runcomfy.deadline import Deadline
from codex_imagegen.runcomfy.http import ConnectionBroken, Transport, UntrustedCertificate, read_body
from codex_imagegen.runcomfy.urls import UrlRules

MAX_BYTES = 2 * 1024 * 1024 * 1024
MAX_TRIES = 3
RETRY_WINDOW_SEC = 15.0
"""How long after the first try another one may begin."""
PAUSE_SEC = 0.5
READ_TIMEOUT_SEC = 10.0
"""How long the host may send nothing before a try counts as cut."""
MAX_REDIRECTS = 5
MAX_PICTURES = 10
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}


class _RetryableError(Exception):
    """A failure that may be temporary; ``error`` is raised after the last try."""

    def __init__(self, error: ImagegenError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class _Body:
    """A received body; without a declared length, a cut looks like the end."""

    data: bytes
    has_length: bool


class Download:
    """Downloads pictures from the hosts that the rules of one API base allow."""

    def __init__(self, transport: Transport, rules: UrlRules, deadline: Deadline) -> None:
        self._transport = transport
        self._rules = rules
        self._deadline = deadline

    def fetch_first(self, urls: tuple[str, ...]) -> Picture:
        """Return the first complete picture among ``urls``, which must be allowed, or raise the first error."""
        failure: ImagegenError | None = None
        for url in urls[:MAX_PICTURES]:
            self._deadline.check(spent=True)
            try:
                return self.fetch(url)
            except (NoPicture, DamagedPicture, RunComfyUpstream) as error:
                failure = failure or error
        raise failure or NoPicture("RunComfy's answer names no picture that may be fetched", spent=True)

    def fetch(self, url: str) -> Picture:
        """Return the complete picture at ``url``.

        Raises :class:`NoPicture` if there is none, :class:`DamagedPicture`, :class:`RunComfyRetry` if every try was
        cut, and :class:`RunComfyUpstream`.
        """
        started = time.monotonic()
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                return _decode(self._follow(url))
            except _RetryableError as failure:
                if not tries_left or time.monotonic() - started + PAUSE_SEC > RETRY_WINDOW_SEC:
                    raise failure.error from failure
            self._deadline.pause(PAUSE_SEC, spent=True)
        raise AssertionError("unreachable")

    def _follow(self, url: str) -> _Body:
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._deadline.call(lambda abandoned, at=url: self._get(at, abandoned), spent=True)  # type: ignore[misc]
            if isinstance(answer, _Body):
                return answer
            url = answer
        raise NoPicture(f"the picture's address redirects more than {MAX_REDIRECTS} times", spent=True)

    def _get(self, url: str, abandoned: threading.Event) -> _Body | str:
        """Return the body at ``url``, or the address that it redirects to; runs in its own thread."""
        try:
            with self._transport.open("GET", url, {"Accept": "image/*, */*"}, read_sec=READ_TIMEOUT_SEC) as response:
                if response.status in _REDIRECTS:
                    return self._redirect_target(url, response.headers.get("Location"))
                _check_response(response)
                has_length = (
                    "Content-Length" in response.headers or response.headers.get("Transfer-Encoding") is not None
                )
                return _Body(_read_to_file(response, abandoned), has_length)
        except UntrustedCertificate as error:
            raise RunComfyUpstream(
                f"the connection to the picture's host is not secure: {error}", spent=True
            ) from error
        except ConnectionBroken as error:
            raise _RetryableError(RunComfyRetry(f"the download of the picture was cut: {error}", spent=True)) from error

    def _redirect_target(self, url: str, location: str | None) -> str:
        target = self._rules.resolve_redirect(url, location)
        if target is None:
            error = NoPicture("the picture's address redirects to one that may not be fetched", spent=True)
            error.warnings = (("foreign-url", f"not fetched, as it is not RunComfy's: {(location or '')[:300]}"),)
            raise error
        return target


def _check_response(response: urllib3.BaseHTTPResponse) -> None:
    if response.status in _RETRYABLE:
        kind = RunComfyRetry if response.status in (408, 425, 429) else RunComfyUpstream
        raise _RetryableError(kind(f"the picture's host answered with HTTP {response.status}", spent=True))
    if response.status != 200:
        raise NoPicture(f"the picture's host answered with HTTP {response.status}", spent=True)
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > MAX_BYTES:
        raise _size_error()


def _read_to_file(response: urllib3.BaseHTTPResponse, abandoned: threading.Event) -> bytes:
    """Read the body through a temporary file, so that a large one is in memory once and not in pieces as well."""
    with _open_temporary() as file:
        count = 0
        for piece in read_body(response, MAX_BYTES, abandoned):
            if count == 0 and decode.detect_format(piece) is None:
                raise DamagedPicture("RunComfy sent no PNG, JPEG or WebP", spent=True)
            count += len(piece)
            if count > MAX_BYTES:
                raise _size_error()
            _write(file, piece)
        file.seek(0)
        return file.read()


def _open_temporary() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _write_error(error) from error


def _write(file: IO[bytes], piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise _write_error(error) from error


def _write_error(error: OSError) -> OutUnwritable:
    return OutUnwritable(
        f"the picture can't be written to the temporary folder: {error.strerror}",
        hint="free disk space there, or set TMPDIR",
        spent=True,
    )


def _size_error() -> NoPicture:
    return NoPicture(f"RunComfy's picture has more than {MAX_BYTES:,} bytes", spent=True)


def _decode(body: _Body) -> Picture:
    try:
        return decode.decode_picture(body.data)
    except structure.DamagedImage as error:
        if not body.has_length:
            raise _RetryableError(RunComfyRetry(f"the download of the picture was cut: {error}", spent=True)) from error
        raise DamagedPicture(f"the picture from RunComfy is damaged: {error}", spent=True) from error
