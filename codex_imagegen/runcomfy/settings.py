"""Where RunComfy's API, its web site and its token file are; the environment may move each of them."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from codex_imagegen.errors import RunComfyUsage

MODEL_API_BASE = "https://model-api.runcomfy.net/v1"
WEB_BASE = "https://www.runcomfy.com"


def model_api_base() -> str:
    """The base of the Model API, with its version and without a slash at its end.

    Raises :class:`RunComfyUsage` when RUNCOMFY_MODEL_API_BASE is no https address; on a loopback one, http
    will do.
    """
    return _base("RUNCOMFY_MODEL_API_BASE", MODEL_API_BASE)


def web_base() -> str:
    """The base of the web site, where the device-code login lives; RUNCOMFY_WEB_BASE moves it."""
    return _base("RUNCOMFY_WEB_BASE", WEB_BASE)


def token_path() -> str:
    """The token file that is shared with RunComfy's own command line."""
    return os.path.join(_config_folder(), "token.json")


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, by its name alone: nothing is looked up."""
    if host is None:
        return False
    host = host.strip("[]").lower()
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _config_folder() -> str:
    if folder := os.environ.get("RUNCOMFY_CONFIG_DIR"):
        return folder
    parent = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(parent, "runcomfy")


def _base(variable: str, default: str) -> str:
    base = os.environ.get(variable, "").strip().rstrip("/") or default
    try:
        parts = urlsplit(base)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise _no_base(variable, "it is no address") from None
    if not host or not base.isascii() or not base.isprintable() or " " in base or "\\" in base:
        raise _no_base(variable, "it is no address")
    if parts.username is not None or parts.query or parts.fragment:
        raise _no_base(variable, "it has more than a host and a path")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise _no_base(variable, "it is not https, and the token would travel in the open")
    return base


def _no_base(variable: str, why: str) -> RunComfyUsage:
    # the value is not repeated: it may hold a password
    return RunComfyUsage(f"{variable} can't be used: {why}", hint=f"unset {variable}, or give it an https:// address")
