"""Decide which URLs in an output may be fetched, with the parser that also fetches them; nothing here does I/O."""

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
    """The http(s) URLs of an output, each once, in order: RunComfy's own, which may be fetched, and foreign ones."""

    own: tuple[str, ...]
    foreign: tuple[str, ...]


class UrlRules:
    """Allow https on RunComfy's hosts, and the origin of the API's base if that is on this machine."""

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
        if host not in url.lower():  # if idna is installed, urllib3 turns évil into xn--vil-bja
            return False
        return parts.scheme == "https" and host.endswith(HOST_SUFFIXES) and bool(_HOST.fullmatch(host))

    def resolve_redirect(self, url: str, location: str | None) -> str | None:
        """The target of a redirect from ``url``, or None if it may not be fetched."""
        try:
            target = urljoin(url, location or "")
        except ValueError:
            return None
        return target if location and self.is_allowed(target) else None

    def classify(self, output: object) -> ImageUrls:
        """Find the URLs in an output of any shape."""
        urls = dict.fromkeys(_find_urls(output))
        own = tuple(url for url in urls if self.is_allowed(url))
        return ImageUrls(own, tuple(url for url in urls if url not in own))


def _find_urls(output: object) -> list[str]:
    urls, pending = [], [output]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(reversed(item.values()))
        elif isinstance(item, list):
            pending.extend(reversed(item))
        elif isinstance(item, str) and item[:8].lower().startswith(("http://", "https://")):
            urls.append(item)
    return urls


def _origin(parts: Url) -> tuple[str, str, int] | None:
    if parts.scheme not in ("http", "https"):
        return None
    return parts.scheme, (parts.host or "").lower(), parts.port or {"http": 80, "https": 443}[parts.scheme]
