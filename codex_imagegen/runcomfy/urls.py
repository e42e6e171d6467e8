"""Which addresses in an output may be fetched: pure, and read with the same parser that fetches them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from codex_imagegen.runcomfy.settings import is_loopback

HOST_SUFFIXES = (".runcomfy.net", ".runcomfy.com")
MAX_LENGTH = 8192
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")


@dataclass(frozen=True, slots=True)
class ImageUrls:
    """The http(s) strings of an output, each once, in order: which may be fetched, and which are foreign."""

    own: tuple[str, ...]
    foreign: tuple[str, ...]


class Rules:
    """https on RunComfy's hosts; and the origin of the API's base, where that is this very machine."""

    def __init__(self, api_base: str) -> None:
        base = parse_url(api_base)
        self._origin = _origin(base) if is_loopback(base.host) else None

    def is_allowed(self, url: str) -> bool:
        """Whether ``url`` may be fetched."""
        if len(url) > MAX_LENGTH or not url.isprintable() or "\\" in url:
            return False
        try:
            parts = parse_url(url)
        except (LocationParseError, ValueError):
            return False
        if parts.auth is not None:
            return False
        if self._origin is not None and _origin(parts) == self._origin:
            return True
        host = (parts.host or "").lower()
        if host not in url.lower():  # where idna is installed, urllib3 makes xn--vil-bja of évil
            return False
        return parts.scheme == "https" and host.endswith(HOST_SUFFIXES) and bool(_HOST.fullmatch(host))

    def resolve_redirect(self, url: str, location: str | None) -> str | None:
        """Where a redirect from ``url`` leads, or None where that may not be fetched."""
        try:
            target = urljoin(url, location or "")
        except ValueError:
            return None
        return target if location and self.is_allowed(target) else None

    def classify(self, output: object) -> ImageUrls:
        """The addresses in an output of any shape."""
        found = dict.fromkeys(_urls(output))
        own = tuple(url for url in found if self.is_allowed(url))
        return ImageUrls(own, tuple(url for url in found if url not in own))


def _urls(output: object) -> list[str]:
    urls, ahead = [], [output]
    while ahead:
        item = ahead.pop()
        if isinstance(item, dict):
            ahead.extend(reversed(item.values()))
        elif isinstance(item, list):
            ahead.extend(reversed(item))
        elif isinstance(item, str) and item[:8].lower().startswith(("http://", "https://")):
            urls.append(item)
    return urls


def _origin(parts: Url) -> tuple[str, str, int] | None:
    if parts.scheme not in ("http", "https"):
        return None
    return parts.scheme, (parts.host or "").lower(), parts.port or {"http": 80, "https": 443}[parts.scheme]
