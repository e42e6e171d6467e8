"""RunComfy's token: RUNCOMFY_TOKEN, else the file shared with RunComfy's own command line; never shown."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import time
from collections.abc import Iterator
from functools import cache

from codex_imagegen.errors import OutUnwritable, RunComfyAuth
from codex_imagegen.files import atomic
from codex_imagegen.files.reading import NotRegularFile, open_regular
from codex_imagegen.runcomfy import settings
from codex_imagegen.values import parse_object

SIGN_IN = "sign in with `codex-imagegen runcomfy login`, or set RUNCOMFY_TOKEN"
_MAX_FILE_BYTES = 1 << 20
_MIN_BASE64 = 8
"""Fewer characters of base64 are found in any text."""

_PLUS, _SLASH = r"(?:\+|-|%2[bB])", r"(?:\\?/|_|%2[fF])"
_SHAPE = re.compile(r"[\x21-\x7e]{1,8192}")  # what a header can carry: a line break would begin another header


class Token:
    """A token that tells its value to :meth:`header` alone; neither ``repr`` nor ``str`` shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Token(…)"

    def header(self) -> dict[str, str]:
        """The header that goes with each call of the API, and nowhere else."""
        return {"Authorization": f"Bearer {self._value}"}

    def hide(self, text: str) -> str:
        """A text of the other side's without the token, should it be repeated there: as it is, URL-encoded, escaped as
        in JSON, or in base64, also as a part of something longer.
        """
        return _spellings(self._value).sub("(token)", text)


@cache
def _spellings(value: str) -> re.Pattern[str]:
    """What finds a token in each of its encodings."""
    escaped = "".join(rf"(?:\\{{0,4}}(?:{re.escape(c)}|u00(?i:{ord(c):02x}))|%(?:25)?(?i:{ord(c):02x}))" for c in value)
    coded = "|".join(_base64(value.encode()))
    # what stands beside a whole part may still hold some bits of the token
    return re.compile(rf"{escaped}|[\w+/-]{{0,2}}(?:{coded})[\w+/-]*={{0,2}}" if coded else escaped)


def _base64(value: bytes) -> Iterator[str]:
    """Patterns for the characters of base64 that stand for the value alone, at each of three places to begin at."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + value).decode()
        whole = text[-(-before * 4 // 3) : (before + len(value)) * 8 // 6]
        if len(whole) >= _MIN_BASE64:
            yield whole.replace("+", _PLUS).replace("/", _SLASH)


def parse(value: object, where: str) -> Token:
    """The token that ``value`` is; raises :class:`RunComfyAuth`, which names ``where`` and not what it is."""
    if not isinstance(value, str) or not _SHAPE.fullmatch(value):
        raise RunComfyAuth(
            f"{where} holds no token: it is empty, too long, or has a blank or a strange character in it",
            hint=SIGN_IN,
        )
    return Token(value)


def load() -> Token:
    """The token to use; raises :class:`RunComfyAuth` with what to do when there is none that may be used."""
    if from_environment := os.environ.get("RUNCOMFY_TOKEN", "").strip():
        return parse(from_environment, "RUNCOMFY_TOKEN")
    path = settings.token_path()
    fields = _fields(path)
    _check_expiry(fields.get("expires_at"))
    return parse(fields.get("access_token"), f"{path!r}")


def save(token: Token) -> str:
    """Write the token file: 0600 from its first byte, whole or not at all; gives back its path."""
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


def forget() -> str | None:
    """Delete the token file; gives back its path, or None when there was none."""
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
        raise RunComfyAuth(f"the token file {path!r} is no JSON object", hint=SIGN_IN)
    return fields


def _read(path: str) -> bytes:
    try:
        file = open_regular(path)
    except FileNotFoundError:
        raise RunComfyAuth("you are not signed in to RunComfy", hint=SIGN_IN) from None
    except NotRegularFile:
        raise _no_token_file(path) from None
    except (OSError, ValueError) as error:
        raise RunComfyAuth(f"the token file {path!r} can't be read: {_reason(error)}", hint=SIGN_IN) from None
    with file:
        _check_file(path, os.fstat(file.fileno()))
        return file.read(_MAX_FILE_BYTES)


def _check_file(path: str, status: os.stat_result) -> None:
    if status.st_size > _MAX_FILE_BYTES:
        raise _no_token_file(path)
    if status.st_mode & 0o077:
        raise RunComfyAuth(
            f"the token file {path!r} can be read or written by others", hint=f"chmod 600 {shlex.quote(path)}"
        )


def _no_token_file(path: str) -> RunComfyAuth:
    return RunComfyAuth(f"the token file {path!r} is no token file", hint=SIGN_IN)


def _check_expiry(expires_at: object) -> None:
    if isinstance(expires_at, (int, float)) and not isinstance(expires_at, bool) and 0 < expires_at <= time.time():
        raise RunComfyAuth("the RunComfy token has expired", hint=SIGN_IN)


def _unwritable(path: str, error: OSError | ValueError) -> OutUnwritable:
    return OutUnwritable(
        f"the token file {path!r} can't be changed: {_reason(error)}",
        hint="point RUNCOMFY_CONFIG_DIR elsewhere",
    )


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "unknown") if isinstance(error, OSError) else "its name has a NUL in it"
