"""What brings bytes to the disk. F_FULLFSYNC is macOS's: it was not run on a Mac, only with a fcntl that has it."""

from __future__ import annotations

import ast
import errno
import fcntl
import os
from pathlib import Path

import pytest

import codex_imagegen
from codex_imagegen.files import atomic

FULL = 51
"""F_FULLFSYNC in macOS's <sys/fcntl.h>."""


@pytest.fixture
def asked(monkeypatch):
    """What is asked of the system, by name; ``asked.refusal`` is what F_FULLFSYNC is refused with."""

    class Asked(list):
        refusal = None

    found = Asked()

    def control(_descriptor, command):
        found.append({FULL: "full"}[command])
        if found.refusal:
            raise OSError(found.refusal, os.strerror(found.refusal))

    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: found.append("fsync"))
    return found


def written(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"a picture")
        atomic.flush(file)
        assert path.read_bytes() == b"a picture"


def test_sync_without_full_fsync_calls_fsync(asked, tmp_path, monkeypatch):
    monkeypatch.delattr(fcntl, "F_FULLFSYNC", raising=False)
    written(tmp_path / "a")
    assert asked == ["fsync"]


def test_sync_with_full_fsync_calls_it(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    written(tmp_path / "a")
    assert asked == ["full"]


@pytest.mark.parametrize("refusal", [errno.ENOTSUP, errno.EINVAL, errno.ENOTTY, errno.EIO])
def test_sync_with_refused_full_fsync_calls_fsync(asked, tmp_path, monkeypatch, refusal):
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", FULL, raising=False)
    asked.refusal = refusal
    written(tmp_path / "a")
    assert asked == ["full", "fsync"]


def test_sync_raises_what_fsync_raises(asked, tmp_path, monkeypatch):
    def broken(_descriptor):
        raise OSError(errno.EIO, "I/O error")

    monkeypatch.setattr(os, "fsync", broken)
    with (tmp_path / "a").open("wb") as file, pytest.raises(OSError, match="I/O error"):
        atomic.flush(file)


def test_fsync_is_called_in_one_module_only():
    package = Path(codex_imagegen.__file__).parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if "fsync" in (getattr(node, "attr", ""), getattr(node, "id", ""))
    }
    assert users == {"files/atomic.py"}
