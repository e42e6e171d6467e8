"""RunComfy's token, from RUNCOMFY_TOKEN or the file shared with RunComfy's own command line; it is never printed."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Iterator
from functools import cache

from codex_imagegen import render
from codex_imagegen.errors import OutUnwritable, RunComfyAuth
from codex_imagegen.files import atomic
from codex_imagegen.files.opening import NotRegularFile, open_regular
from codex_imagegen.runcomfy import settings
from codex_imagegen.values import parse_object

SIGN_IN_HINT = "set RUNCOMFY_TOKEN, or sign in with:\ncodex-imagegen runcomfy login"
_MAX_FILE_BYTES = 1 << 20
_MIN_BASE64 = 8
"""Fewer characters of base64 occur in any text by chance."""

_PLUS, _SLASH = r"(?:\+|-|%2[bB])", r"(?:\\?/|_|%2[fF])"
_SHAPE = re.compile(
    r"[\x21-\x7e]{1,8192}"
)  # the characters of a header's value: a line break would begin another header


class Token:
    """A token; only :meth:`header` gives its value, ``repr`` and ``str`` do not."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Token(…)"

    def header(self) -> dict[str, str]:
        """The header for calls of the API, and for nothing else."""
        return {"Authorization": f"Bearer {self._value}"}

    def hide(self, text: str) -> str:
        """The server's ``text`` with each repetition of the token replaced: plain, URL-encoded, escaped as in JSON, or
        in base64, also as a part of something longer.
        """
        return _encodings(self._value).sub("(token)", text)


@cache
def _encodings(value: str) -> re.Pattern[str]:
    """A pattern that finds a token in each of its encodings."""
    escaped = "".join(rf"(?:\\{{0,4}}(?:{re.escape(c)}|u00(?i:{ord(c):02x}))|%(?:25)?(?i:{ord(c):02x}))" for c in value)
    base64_forms = "|".join(_base64(value.encode()))
    # the characters beside a complete part may still have some bits of the token
    return re.compile(rf"{escaped}|[\w+/-]{{0,2}}(?:{base64_forms})[\w+/-]*={{0,2}}" if base64_forms else escaped)


def _base64(value: bytes) -> Iterator[str]:
    """Patterns for the base64 characters that encode only the value, at each of three offsets."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + value).decode()
        complete = text[-(-before * 4 // 3) : (before + len(value)) * 8 // 6]
        if len(complete) >= _MIN_BASE64:
            yield complete.replace("+", _PLUS).replace("/", _SLASH)


def parse_token(value: object, where: str) -> Token:
    """Check and wrap a token; raises :class:`RunComfyAuth`, which names ``where`` it was found, not its value."""
    if not isinstance(value, str) or not _SHAPE.fullmatch(value):
        raise RunComfyAuth(
            f"{where} has no token: it is empty, too long, or has a blank or an invalid character in it",
            hint=SIGN_IN_HINT,
        )
    return Token(value)


def load() -> Token:
    """Load the token; raises :class:`RunComfyAuth` where there is none, or none that may be used."""
    if from_environment := os.environ.get("RUNCOMFY_TOKEN", "").strip():
        return parse_token(from_environment, "RUNCOMFY_TOKEN")
    path = settings.token_path()
    fields = _fields(path)
    _check_expiry(fields.get("expires_at"))
    return parse_token(fields.get("access_token"), f"{path!r}")


def save(token: Token) -> str:
    """Write the token file atomically, with mode 0600 from its first byte; returns its path."""
    path = settings.token_path()
    text = json.dumps(
        {
            "access_token": token.header()["Authorization"].removeprefix("Bearer "),
            "refresh_token": None,
            "expires_at": None,
            "user_email": None,
        },
        indent=2,
    )
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        atomic.write_file(path, text.encode(), mode=0o600)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    return path


def delete() -> str | None:
    """Delete the token file; returns its path, or None if there was none."""
    path = settings.token_path()
    try:
        os.unlink(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from None
    return path


def _fields(path: str) -> dict[str, object]:
    fields = parse_object(_read(path))
    if fields is None:
        raise RunComfyAuth(f"the token file {path!r} is not a JSON object", hint=SIGN_IN_HINT)
    return fields


def _read(path: str) -> bytes:
    try:
        file = open_regular(path)
    except FileNotFoundError:
        raise RunComfyAuth("you are not signed in to RunComfy", hint=SIGN_IN_HINT) from None
    except NotRegularFile:
        raise _no_token_file(path) from None
    except (OSError, ValueError) as error:
        raise RunComfyAuth(f"the token file {path!r} can't be read: {_reason(error)}", hint=SIGN_IN_HINT) from None
    with file:
        _check_file(path, os.fstat(file.fileno()))
        return file.read(_MAX_FILE_BYTES)


def _check_file(path: str, status: os.stat_result) -> None:
    if status.st_size > _MAX_FILE_BYTES:
        raise _no_token_file(path)
    if status.st_mode & 0o077:
        raise RunComfyAuth(
            f"the token file {path!r} can be read or written by others",
            hint=f"make it private with:\nchmod 600 {render.shell_join([path])}",
        )


def _no_token_file(path: str) -> RunComfyAuth:
    return RunComfyAuth(f"the token file {path!r} is not a token file", hint=SIGN_IN_HINT)


def _check_expiry(expires_at: object) -> None:
    if isinstance(expires_at, (int, float)) and not isinstance(expires_at, bool) and 0 < expires_at <= time.time():
        raise RunComfyAuth("the RunComfy token has expired", hint=SIGN_IN_HINT)


def _unwritable(path: str, error: OSError | ValueError) -> OutUnwritable:
    return OutUnwritable(
        f"the token file {path!r} can't be changed: {_reason(error)}",
        hint="point RUNCOMFY_CONFIG_DIR elsewhere",
    )


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "unknown") if isinstance(error, OSError) else "its name has a NUL in it"
