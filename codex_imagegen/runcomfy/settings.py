"""Locations of RunComfy's API, web site and token file, and the environment variables that change them."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from codex_imagegen.errors import RunComfyUsage

MODEL_API_BASE = "https://model-api.runcomfy.net/v1"
WEB_BASE = "https://www.runcomfy.com"


def model_api_base() -> str:
    """The base URL of the Model API, with its version and without a trailing slash.

    Raises :class:`RunComfyUsage` if RUNCOMFY_MODEL_API_BASE is not an https URL; http is allowed on a loopback host.
    """
    return _read_base("RUNCOMFY_MODEL_API_BASE", MODEL_API_BASE)


def web_base() -> str:
    """The base URL of the web site, which has the device-code login; RUNCOMFY_WEB_BASE changes it."""
    return _read_base("RUNCOMFY_WEB_BASE", WEB_BASE)


def token_path() -> str:
    """The path of the token file, which RunComfy's own command line uses as well."""
    return os.path.join(_config_folder(), "token.json")


def is_loopback(host: str | None) -> bool:
    """Whether a host name means this machine; nothing is looked up."""
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


def _read_base(variable: str, default: str) -> str:
    base = os.environ.get(variable, "").strip().rstrip("/") or default
    try:
        parts = urlsplit(base)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise _base_error(variable, "it is not a URL") from None
    if not host or not base.isascii() or not base.isprintable() or " " in base or "\\" in base:
        raise _base_error(variable, "it is not a URL")
    if parts.username is not None or parts.query or parts.fragment:
        raise _base_error(variable, "it has more than a host and a path")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise _base_error(variable, "it is not https, and the token would be sent unencrypted")
    return base


def _base_error(variable: str, reason: str) -> RunComfyUsage:
    # the value is not repeated: it may contain a password
    return RunComfyUsage(f"{variable} can't be used: {reason}", hint=f"unset {variable}, or give it an https:// URL")
