from __future__ import annotations

import base64
import json
import os
import re
import stat
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from codex_imagegen.errors import OutUnwritable, RunComfyAuth
from codex_imagegen.runcomfy import settings, token

SECRET = "s3cret-Token/Value"


def write(value: object, mode: int = 0o600) -> Path:
    path = Path(settings.token_path())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    path.chmod(mode)
    return path


def value_of(found: token.Token) -> str:
    return found.header()["Authorization"]


def test_missing_token_fails_as_auth() -> None:
    with pytest.raises(RunComfyAuth, match="not signed in") as caught:
        token.load()
    assert caught.value.exit_code == 77
    assert "runcomfy login" in str(caught.value.hint)
    assert caught.value.spent is False


def test_saved_token_is_read_again_and_private() -> None:
    before = os.umask(0)
    try:
        path = Path(token.save(token.Token(SECRET)))
    finally:
        os.umask(before)
    assert value_of(token.load()) == f"Bearer {SECRET}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["token.json"]
    fields = json.loads(path.read_text())
    assert fields == {"access_token": SECRET, "refresh_token": None, "expires_at": None, "user_email": None}


def test_token_file_is_private_from_its_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write({"access_token": "old"}, 0o644)
    path = token.save(token.Token(SECRET))
    assert seen == [0o600]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_failed_save_keeps_the_old_token(monkeypatch: pytest.MonkeyPatch) -> None:
    path = write({"access_token": "old"})

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OutUnwritable, match="No space left") as caught:
        token.save(token.Token(SECRET))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert [p.name for p in path.parent.iterdir()] == ["token.json"]
    assert json.loads(path.read_text()) == {"access_token": "old"}


def test_environment_token_precedes_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write({"access_token": "of-the-file"})
    monkeypatch.setenv("RUNCOMFY_TOKEN", f" {SECRET}\n")
    assert value_of(token.load()) == f"Bearer {SECRET}"
    monkeypatch.setenv("RUNCOMFY_TOKEN", "  ")
    assert value_of(token.load()) == "Bearer of-the-file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620, 0o644, 0o777, 0o601])
def test_readable_token_file_is_refused_with_chmod_hint(mode: int) -> None:
    path = write({"access_token": SECRET}, mode)
    with pytest.raises(RunComfyAuth, match="by others") as caught:
        token.load()
    assert caught.value.hint == f"make it private with:\nchmod 600 {path}"
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("bad", ["to ken", "tok\nX-Evil: 1", "tok\r\n", "tök", "tok\x00", "a" * 9000, "\u2028"])
def test_malformed_token_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, bad: str) -> None:
    write({"access_token": bad})
    with pytest.raises(RunComfyAuth, match="has no token") as caught:
        token.load()
    assert bad[:2] + bad[2:6] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b'"token"',
        b"{",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b"{}",
        b'{"access_token": null}',
        b'{"access_token": 5}',
        b'{"access_token": ""}',
        b'{"access_token": ["a"]}',
    ],
)
def test_malformed_token_file_fails_as_auth(content: bytes) -> None:
    write(content)
    with pytest.raises(RunComfyAuth):
        token.load()


@pytest.mark.parametrize("expires_at", [1, 1.5, 1_700_000_000])
def test_expired_token_fails_as_expired(expires_at: float) -> None:
    write({"access_token": SECRET, "expires_at": expires_at})
    with pytest.raises(RunComfyAuth, match="expired"):
        token.load()


@pytest.mark.parametrize("expires_at", [None, "soon", True, 0, [], 4e9, 1e400])
def test_unknown_expiry_is_ignored(expires_at: object) -> None:
    write({"access_token": SECRET, "expires_at": expires_at, "user_email": "a@b.c"})
    assert value_of(token.load()) == f"Bearer {SECRET}"


def test_token_path_that_is_no_file_is_refused(home: Path) -> None:
    path = Path(settings.token_path())
    path.parent.mkdir(parents=True)
    os.mkfifo(path, 0o600)
    with pytest.raises(RunComfyAuth, match="not a token file"):
        token.load()
    path.unlink()
    path.mkdir()
    with pytest.raises(RunComfyAuth):
        token.load()


def test_huge_token_file_is_refused_unread() -> None:
    path = write(b"")
    os.truncate(path, 1 << 31)
    with pytest.raises(RunComfyAuth, match="not a token file"):
        token.load()


def test_unwritable_token_folder_fails(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "file").write_text("")
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(home / "file"))
    with pytest.raises(RunComfyAuth, match="can't be read"):
        token.load()
    with pytest.raises(OutUnwritable):
        token.save(token.Token(SECRET))
    with pytest.raises(OutUnwritable):
        token.delete()


def test_delete_removes_the_file_and_tells_whether_it_was_there() -> None:
    path = write({"access_token": SECRET})
    assert token.delete() == str(path)
    assert not path.exists()
    assert token.delete() is None


def test_token_is_not_in_repr() -> None:
    found = token.Token(SECRET)
    assert SECRET not in f"{found} {found!r} {[found]} {vars if hasattr(found, '__dict__') else ''}"
    assert found.hide(f"no {SECRET}, no") == "no (token), no"


ODD = 'rc/secret"token+\\~=42'


@pytest.mark.parametrize(
    "spelled",
    [
        quote(ODD, safe=""), quote(ODD, safe="").lower(), quote(quote(ODD, safe=""), safe=""), json.dumps(ODD)[1:-1],
        json.dumps(json.dumps(ODD))[3:-3], json.dumps(ODD)[1:-1].replace("/", "\\/"),
        "".join(f"\\u{ord(each):04X}" for each in ODD),
    ],
)  # fmt: skip
def test_token_in_another_spelling_is_hidden(spelled):
    assert token.Token(ODD).hide(f"no {spelled}, no") == "no (token), no"


@pytest.mark.parametrize("secret", [ODD, "rc-secret-token", "x" * 900])
@pytest.mark.parametrize("before", ["", "x:", "Bearer ", "abc:"])
@pytest.mark.parametrize("after", ["", "\n", "!!"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_token_in_base64_is_hidden(secret, before, after, encode):
    text = encode((before + secret + after).encode()).decode()
    for spelled in (text, quote(text, safe=""), text.replace("/", "\\/")):
        hidden = token.Token(secret).hide(f"no {spelled} no")
        left = re.sub(r"\W", "", hidden.removeprefix("no ").removesuffix(" no").replace("(token)", "", 1))
        assert "(token)" in hidden
        assert len(left) < 16  # of what stood before it


def test_short_token_hides_no_text():
    assert token.Token("abc").hide("words in YWJj, and more") == "words in YWJj, and more"
