"""Fetching a picture: without the token, each redirect checked, of bounded size, again where it was cut."""

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
from codex_imagegen.images import decode
from codex_imagegen.results import Picture
from codex_imagegen.runcomfy.deadline import Deadline
from codex_imagegen.runcomfy.http import ConnectionBroken, Transport, Untrusted, read
from codex_imagegen.runcomfy.urls import Rules

MAX_BYTES = 2 * 1024 * 1024 * 1024
MAX_TRIES = 3
TRIES_SEC = 15.0
"""No new try begins later than this after the first."""
PAUSE_SEC = 0.5
QUIET_SEC = 10.0
"""How long the other side may say nothing before a try counts as cut."""
MAX_REDIRECTS = 5
MAX_PICTURES = 10
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}


class _Again(Exception):
    """This try failed in a way that the next may not; carries the error for the case that none is left."""

    def __init__(self, error: ImagegenError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class _Body:
    """What came, and whether its length was announced (else a cut can't be told from an end)."""

    data: bytes
    announced: bool


class Download:
    """Fetches by the rules of one API base."""

    def __init__(self, transport: Transport, rules: Rules, patience: Deadline) -> None:
        self._transport = transport
        self._rules = rules
        self._patience = patience

    def first(self, urls: tuple[str, ...]) -> Picture:
        """The first whole picture among ``urls``, which must be allowed; raises the first error else."""
        failure: ImagegenError | None = None
        for url in urls[:MAX_PICTURES]:
            self._patience.check(spent=True)
            try:
                return self.picture(url)
            except (NoPicture, DamagedPicture, RunComfyUpstream) as error:
                failure = failure or error
        raise failure or NoPicture("RunComfy's answer names no picture that may be fetched", spent=True)

    def picture(self, url: str) -> Picture:
        """The whole picture at ``url``.

        Raises :class:`NoPicture` where there is none to be had, :class:`DamagedPicture`,
        :class:`RunComfyRetry` for one that was cut each time, and :class:`RunComfyUpstream`.
        """
        began = time.monotonic()
        for left in reversed(range(MAX_TRIES)):
            try:
                return _verified(self._body(url))
            except _Again as again:
                if not left or time.monotonic() - began + PAUSE_SEC > TRIES_SEC:
                    raise again.error from again
            self._patience.pause(PAUSE_SEC, spent=True)
        raise AssertionError("unreachable")

    def _body(self, url: str) -> _Body:
        for _ in range(MAX_REDIRECTS + 1):
            reached = self._patience.call(lambda abandoned, at=url: self._fetch(at, abandoned), spent=True)  # type: ignore[misc]
            if isinstance(reached, _Body):
                return reached
            url = reached
        raise NoPicture(f"the picture's address leads on more than {MAX_REDIRECTS} times", spent=True)

    def _fetch(self, url: str, abandoned: threading.Event) -> _Body | str:
        """The body at ``url``, or the address that it leads on to; runs in a thread of its own."""
        try:
            with self._transport.open("GET", url, {"Accept": "image/*, */*"}, read_sec=QUIET_SEC) as response:
                if response.status in _REDIRECTS:
                    return self._led_on(url, response.headers.get("Location"))
                _check(response)
                announced = (
                    "Content-Length" in response.headers or response.headers.get("Transfer-Encoding") is not None
                )
                return _Body(_whole(response, abandoned), announced)
        except Untrusted as error:
            raise RunComfyUpstream(f"the picture's host can't be trusted: {error}", spent=True) from error
        except ConnectionBroken as error:
            raise _Again(RunComfyRetry(f"the download of the picture was cut: {error}", spent=True)) from error

    def _led_on(self, url: str, location: str | None) -> str:
        target = self._rules.resolve_redirect(url, location)
        if target is None:
            foreign = NoPicture("the picture's address leads on to one that may not be fetched", spent=True)
            foreign.warnings = (("foreign-url", f"not fetched, as it is not RunComfy's: {(location or '')[:300]}"),)
            raise foreign
        return target


def _check(response: urllib3.BaseHTTPResponse) -> None:
    if response.status in _PASSING:
        kind = RunComfyRetry if response.status in (408, 425, 429) else RunComfyUpstream
        raise _Again(kind(f"the picture's host answered with HTTP {response.status}", spent=True))
    if response.status != 200:
        raise NoPicture(f"the picture's host answered with HTTP {response.status}", spent=True)
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > MAX_BYTES:
        raise _too_large()


def _whole(response: urllib3.BaseHTTPResponse, abandoned: threading.Event) -> bytes:
    """The body, by way of a file without a name: so a large one is in memory once, and not in pieces too."""
    with _temporary() as file:
        count = 0
        for piece in read(response, MAX_BYTES, abandoned):
            if count == 0 and decode.kind_of(piece) is None:
                raise DamagedPicture("what came from RunComfy is no PNG, JPEG or WebP", spent=True)
            count += len(piece)
            if count > MAX_BYTES:
                raise _too_large()
            _write(file, piece)
        file.seek(0)
        return file.read()


def _temporary() -> IO[bytes]:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise _no_room(error) from error


def _write(file: IO[bytes], piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> OutUnwritable:
    return OutUnwritable(
        f"the temporary folder can't take the picture: {error.strerror}", hint="make room in it", spent=True
    )


def _too_large() -> NoPicture:
    return NoPicture(f"what RunComfy offers has more than {MAX_BYTES:,} bytes", spent=True)


def _verified(body: _Body) -> Picture:
    try:
        return decode.decode_picture(body.data)
    except decode.DamagedImage as error:
        if not body.announced:
            raise _Again(RunComfyRetry(f"the download of the picture was cut: {error}", spent=True)) from error
        raise DamagedPicture(f"the picture that came from RunComfy is damaged: {error}", spent=True) from error
